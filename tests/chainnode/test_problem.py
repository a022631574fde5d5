"""Problem documents and the limits that answer with them."""

import pytest

from chainnode.problem import DETAIL_CHARS_MAX, Refused, language_of, problem_document, status_for
from chainnode.rate_limit import RateLimit
from primitives.codes import Code


@pytest.mark.parametrize("code", list(Code))
def test_every_code_makes_a_whole_document(code: Code) -> None:
    document = problem_document(Refused(code, "because"), "zh")
    assert document["code"] == f"HN-{int(code):04d}" and document["name"] == code.name
    assert 400 <= document["status"] <= 599
    assert all(document[name] for name in ("type", "title", "detail", "phase", "fix"))


def test_statuses() -> None:
    assert status_for(Code.RESERVE_EXCEEDED) == 409
    assert status_for(Code.DECODE) == 400
    assert status_for(Code.POOL_FULL) == 429
    assert status_for(Code.OUTCOME_UNKNOWN) == 504
    assert Refused(Code.POOL_FULL, "").headers == {"Retry-After": "1"}
    assert Refused(Code.INSUFFICIENT, "").headers == {}


def test_what_a_client_sent_is_cut() -> None:
    assert len(problem_document(Refused(Code.DECODE, "x" * 10_000), "en")["detail"]) == DETAIL_CHARS_MAX


@pytest.mark.parametrize(
    ("header", "language"),
    [("zh-CN,zh;q=0.9,en;q=0.8", "zh"), ("en-US", "en"), ("fr, zh", "zh"), ("", "en"), ("fr", "en"), ("EN;q=1", "en")],
)
def test_language(header: str, language: str) -> None:
    assert language_of(header) == language


def test_a_bucket_gives_its_burst_then_its_rate() -> None:
    limit = RateLimit(10)
    assert [limit.retry_after_s("a", 100.0) for _ in range(20)] == [0.0] * 20
    assert limit.retry_after_s("a", 100.0) == pytest.approx(0.1)
    assert limit.retry_after_s("b", 100.0) == 0.0
    assert limit.retry_after_s("a", 100.11) == 0.0
    assert limit.retry_after_s("a", 100.11) > 0


def test_a_cost_above_the_burst_passes_once_and_is_paid_off() -> None:
    limit = RateLimit(10)
    assert limit.retry_after_s("a", 0.0, cost=50) == 0.0
    assert limit.retry_after_s("a", 1.0) > 0
    assert limit.retry_after_s("a", 10.0) == 0.0


def test_buckets_are_bounded_and_zero_means_off() -> None:
    limit = RateLimit(1, addresses_max=3)
    for address in "abcdefgh":
        limit.retry_after_s(address, 0.0)
    assert len(limit._buckets) == 3
    assert RateLimit(0).retry_after_s("a", 0.0, cost=10**9) == 0.0
