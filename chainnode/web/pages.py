"""The pages: what the API answers, laid out for people. Every page works without its script."""

import datetime
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import jinja2
from markupsafe import Markup, escape

from chainnode.backend import NodeBackend
from chainnode.calls import HTML, Answer, Call, Query, not_found, read_address, read_digest, read_number
from chainnode.chain_answers import BlockQuery, block_answer, proposer_of, status_answer, validators_answer
from chainnode.points_answers import HistoryQuery, ask, history_plain, named
from chainnode.problem import Refused
from chainnode.proofs import find_receipt, raw_transaction
from chainnode.web.texts import words
from points import queries, queries_risk
from points.state import FUND
from primitives.address import decode_address, encode_address
from primitives.catalogue import Language, explain
from primitives.codec import Malformed
from primitives.keys import Address
from primitives.kinds import kind_of
from primitives.receipt_form import receipt_to_plain
from primitives.transaction import decode_transaction

LATEST_BLOCKS: Final = 12
PAGE_TRANSACTIONS: Final = 200
PAGE_HISTORY: Final = 20
PAGE_ALERTS: Final = 200
_BEIJING: Final = datetime.timezone(datetime.timedelta(hours=8))


class PageQuery(Query, frozen=True):
    """`lang`: zh or en; without it the browser's language."""

    lang: str = ""


class FindQuery(PageQuery, frozen=True):
    q: str = ""


def moment(time_ms: int) -> str:
    """A time in China (UTC+8), to the second."""
    try:
        return datetime.datetime.fromtimestamp(time_ms / 1000, _BEIJING).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, ValueError, OSError):  # which of them depends on the C library
        return str(time_ms)


def day(number: int) -> str:
    """The date of a day counted from 1970-01-01."""
    return moment(number * 86_400_000)[:10]


def yuan(fen: int) -> str:
    """fen as CNY with two decimals and separators: 1,234.50; exact."""
    sign, whole = ("-", -fen) if fen < 0 else ("", fen)
    return f"{sign}{whole // 100:,}.{whole % 100:02d}"


def _reference(schema: dict[str, Any]) -> Markup:
    """A link to the schema that an answer refers to."""
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    return Markup(f'<a href="#{escape(name)}">{escape(name)}</a>') if name else Markup("")  # noqa: S704 both escaped


_TEMPLATES: Final = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, trim_blocks=True,
    undefined=jinja2.StrictUndefined,
)  # fmt: skip
_TEMPLATES.filters.update(moment=moment, yuan=yuan, reference=_reference, day=day)


def _language(call: Call) -> Language:
    if isinstance(call.query, PageQuery) and call.query.lang:
        return "zh" if call.query.lang == "zh" else "en"
    return call.language


def _page(backend: NodeBackend, call: Call, template: str, http_status: int = 200, **values: Any) -> Answer:
    language = _language(call)
    body = _TEMPLATES.get_template(template).render(
        t=words(language), language=language, network=backend.genesis.name, filing=backend.genesis.filing,
        chain_id=backend.chain.chain_id.hex(), **values,
    )  # fmt: skip
    return Answer(http_status, body.encode(), HTML)


def _missing(backend: NodeBackend, call: Call, refused: Refused) -> Answer:
    return _page(backend, call, "missing.html", refused.status, detail=refused.detail)


def refused_page(backend: NodeBackend, language: Language, refused: Refused) -> Answer:
    """What a browser shows where a reader is not shown what it asked for: the same words as the problem."""
    entry = explain(refused.code, language)
    call = Call({}, PageQuery(), language=language)
    page = _page(backend, call, "missing.html", refused.status, detail=f"{entry.title} {entry.fix}")
    return replace(page, headers={**page.headers, **refused.headers})


def render_docs(backend: NodeBackend, call: Call, document: dict[str, Any]) -> Answer:
    """The OpenAPI document as one page."""
    return _page(backend, call, "docs.html", document=document)


async def get_overview(backend: NodeBackend, call: Call) -> Answer:
    status = status_answer(backend)
    heights = range(status.height, max(-1, status.height - LATEST_BLOCKS), -1)
    blocks = [block_answer(backend, height, BlockQuery(limit=0)) for height in heights]
    proposers = [proposer_of(backend, block.header) for block in blocks]
    peers = {peer.name: peer for peer in status.peers}
    validators = [
        {"index": member.index, "name": member.name, "leader": member.leader, "peer": peers.get(member.name)}
        for member in validators_answer(backend).members
    ]
    merchants = [
        {"address": encode_address(Address(m.account)), "name": _merchant_name(m, _language(call)),
         "category": m.category}
        for m in backend.genesis.merchants
    ]  # fmt: skip
    return _page(backend, call, "overview.html", status=status, blocks=blocks, proposers=proposers,
                 validators=validators, merchants=merchants)  # fmt: skip


def _merchant_name(merchant: Any, language: Language) -> str:
    name: str = merchant.name_zh if language == "zh" else merchant.name_en
    return name


async def get_block_page(backend: NodeBackend, call: Call) -> Answer:
    try:
        text = call.path["height"]
        height = backend.chain.head.height if text == "latest" else read_number(text, "height")
        block = block_answer(backend, height, BlockQuery(limit=PAGE_TRANSACTIONS), call.reader)
    except Refused as refused:
        return _missing(backend, call, refused)
    proposer = proposer_of(backend, block.header)
    return _page(backend, call, "block.html", block=block, proposer=proposer, height=backend.chain.head.height)


async def get_transaction_page(backend: NodeBackend, call: Call) -> Answer:
    try:
        transaction_id = read_digest(call.path["id"], "id")
        receipt = find_receipt(backend.chain, transaction_id)
        place = backend.chain.place(transaction_id)
        if receipt is None or place is None:
            raise not_found(call.path["id"])
    except Refused as refused:
        return _missing(backend, call, refused)
    envelope = decode_transaction(raw_transaction(backend.chain, place)).transaction.envelope
    return _page(
        backend, call, "transaction.html", receipt=receipt_to_plain(receipt), kind=kind_of(envelope.body),
        sender=encode_address(Address(envelope.sender)), entry=explain(receipt.code, _language(call)),
    )  # fmt: skip


async def get_find(backend: NodeBackend, call: Call) -> Answer:
    """A redirection to the page of what the text names."""
    query: FindQuery = call.query
    text, language = query.q.strip(), _language(call)
    target = ""
    if text.isascii() and text.isdigit() and len(text) <= 20:
        target = f"/blocks/{text}"
    elif len(text) == 64:
        target = f"/transactions/{quote(text, safe='')}"
    elif text.startswith("hn1"):
        target = _address_page(backend, text)
    if not target:
        return _missing(backend, call, not_found(text[:100]))
    return Answer(303, b"", HTML, {"Location": f"{target}?lang={language}"})


def _address_page(backend: NodeBackend, text: str) -> str:
    try:
        address = decode_address(text)
    except Malformed:
        return ""
    merchant = any(m.account == address for m in backend.genesis.merchants)
    return f"/{'merchants' if merchant else 'accounts'}/{quote(text, safe='')}"


async def get_account_page(backend: NodeBackend, call: Call) -> Answer:
    try:
        address = read_address(call.path["address"])
        account = ask(backend, queries.account, address)
        if account is None:
            raise not_found(call.path["address"])
        history = await history_plain(backend, address, HistoryQuery(limit=PAGE_HISTORY))
    except Refused as refused:
        return _missing(backend, call, refused)
    lots = ask(backend, queries.lots, address)["lots"]
    return _page(backend, call, "account.html", account=account, lots=lots, history=history["items"])


async def get_merchant_page(backend: NodeBackend, call: Call) -> Answer:
    """Exposure, obligations in both directions in the windows not settled, classes, recent transactions."""
    try:
        address = read_address(call.path["id"])
        plain = ask(backend, queries.merchant, address)
        if plain is None:
            raise not_found(call.path["id"])
        history = await history_plain(backend, address, HistoryQuery(limit=PAGE_HISTORY))
    except Refused as refused:
        return _missing(backend, call, refused)
    merchant = named(backend, plain)
    name = merchant["name_zh" if _language(call) == "zh" else "name_en"] or merchant["id"]
    pairs = [(*pair.split("->"), value) for pair, value in ask(backend, queries.obligations).items()]
    return _page(
        backend, call, "merchant.html", merchant=merchant, name=name, exposure=ask(backend, queries.exposure, address),
        obligations=[pair for pair in pairs if merchant["id"] in pair[:2]], names=_names(backend, _language(call)),
        classes=[of for of in ask(backend, queries.classes) if of["issuer"] == merchant["id"]],
        history=history["items"],
    )  # fmt: skip


async def get_alerts_page(backend: NodeBackend, call: Call) -> Answer:
    """The inbox of risk alerts, newest first."""
    found = ask(backend, queries_risk.alerts, PAGE_ALERTS)
    items = [
        {**row, **{f"shown_{name}": _measure(row["unit"], row[name]) for name in ("value", "limit")}}
        for row in found["items"]
    ]
    unread = sum(row["state"] == "OPEN" for row in items)
    names = _names(backend, _language(call))
    return _page(backend, call, "alerts.html", items=items, total=found["total"], unread=unread, names=names)


def _measure(unit: str, value: int) -> str:
    """A figure of an alert: yuan, a share in percent, or a count."""
    if unit == "bps":
        return f"{value // 100}.{value % 100:02d} %"
    return yuan(value) if unit == "fen" else str(value)


def _names(backend: NodeBackend, language: Language) -> dict[str, str]:
    """The merchants' names and the clearing fund's by address."""
    found = {encode_address(Address(m.account)): _merchant_name(m, language) for m in backend.genesis.merchants}
    return {encode_address(Address(FUND)): words(language)["fund"], **found}
