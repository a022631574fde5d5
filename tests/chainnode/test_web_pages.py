"""The pages: whole in both languages, nothing unescaped, every link of ours leads somewhere."""

import asyncio
import re

import pytest

from chainnode.api import ROUTES, Router
from chainnode.calls import Answer, Call, read_query
from chainnode.web.pages import moment, yuan
from chainnode.web.texts import words
from primitives.catalogue import Language
from tests.chainnode.solo import Town, text

ROUTER = Router(ROUTES)


def page(town: Town, path: str, language: Language = "en", **query: str) -> Answer:
    match = ROUTER.match("GET", path)
    assert match.route is not None, path
    call = Call(match.path, read_query(match.route, list(query.items())), language=language)
    return asyncio.run(match.route.handle(town.node, call))  # type: ignore[arg-type]


def busy_town() -> tuple[Town, str]:
    town = Town()
    town.run(town.issue("o1"))
    identity = town.run(town.redeem("b1", 3000)).hex()
    town.run(town.issue("o2", units=10**9))
    town.node.flush()
    return town, identity


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_page_is_whole_in_both_languages(language: Language) -> None:
    town, identity = busy_town()
    paths = ("/", "/docs", "/blocks/2", "/blocks/latest", "/blocks/0", f"/transactions/{identity}",
             f"/accounts/{text('u')}", f"/accounts/{text('A')}", f"/merchants/{text('A')}")  # fmt: skip
    for path in paths:
        answer = page(town, path, language)
        html = answer.body.decode()
        assert answer.status == 200 and html.rstrip().endswith("</html>"), path
        assert f'lang="{"zh-CN" if language == "zh" else "en"}"' in html
        assert page(town, path, "en" if language == "zh" else "zh", lang=language).body == answer.body


def test_figures_are_those_of_the_rules() -> None:
    town, identity = busy_town()
    merchant = page(town, f"/merchants/{text('A')}").body.decode()
    for figure in ("10,000.00", "70.00", "30.00", "29.85", "0.15"):
        assert f">{figure}<" in merchant, figure
    account = page(town, f"/accounts/{text('u')}").body.decode()
    assert ">70.00<" in account and identity[:20] in account
    rejected = town.node.chain.transaction_ids(3)[0].hex()
    assert "RESERVE_EXCEEDED" in page(town, f"/transactions/{rejected}").body.decode()


def test_links_lead_to_pages() -> None:
    town, identity = busy_town()
    for path in ("/", "/blocks/2", f"/transactions/{identity}", f"/merchants/{text('A')}", f"/accounts/{text('u')}"):
        for target in set(re.findall(r'(?:href|src|action)="(/[^"?#]*)', page(town, path).body.decode())):
            assert ROUTER.match("GET", target).route is not None, (path, target)


def test_what_is_not_there_is_a_page_too() -> None:
    town = Town()
    for path, status in (("/blocks/99", 404), ("/blocks/x", 400), (f"/transactions/{'ab' * 32}", 404),
                         ("/transactions/<script>", 400), ("/accounts/hn1x", 400), (f"/merchants/{text('u')}", 404),
                         (f"/accounts/{text('w')}", 404)):  # fmt: skip
        answer = page(town, path)
        assert answer.status == status and b"<script>" not in answer.body, path


@pytest.mark.parametrize(
    ("query", "target"),
    [("7", "/blocks/7"), (" 12 ", "/blocks/12"), ("ab" * 32, f"/transactions/{'ab' * 32}"),
     (text("A"), f"/merchants/{text('A')}"), (text("u"), f"/accounts/{text('u')}")],
)  # fmt: skip
def test_find_goes_to_the_page(query: str, target: str) -> None:
    answer = page(Town(), "/find", q=query)
    assert answer.status == 303 and answer.headers["Location"] == f"{target}?lang=en"


@pytest.mark.parametrize("query", ["", "x", "hn1x", "/" * 64, "\r\nSet-Cookie: a", "٣", "é" * 64])
def test_find_never_leaves_the_node(query: str) -> None:
    answer = page(Town(), "/find", q=query)
    location = answer.headers.get("Location", "/transactions/")
    assert location.startswith("/transactions/") and "\n" not in location


def test_numbers_for_people() -> None:
    assert [yuan(fen) for fen in (0, 5, 123_456_789, -7)] == ["0.00", "0.05", "1,234,567.89", "-0.07"]
    assert moment(1_759_913_600_000) == "2025-10-08 16:53:20"
    assert all(moment(2**bits * 1000).isdigit() for bits in range(40, 65))


def test_every_word_has_both_languages() -> None:
    zh, en = words("zh"), words("en")
    assert zh.keys() == en.keys() and all(zh.values()) and all(en.values())
