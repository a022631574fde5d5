"""Issues in a row within one envelope add to their sums at once: every answer is that of one after the other."""

from typing import Any

import pytest

from points.keys import books_key, counters_key
from points.state import Books, Counters
from points.transition import Context, apply_transaction
from primitives.codec import U64_MAX
from primitives.codes import Code
from primitives.kinds import BatchOperations, Body, Issue, Operation, Refund, ReverseIssue
from primitives.receipt import Receipt
from tests.points.market import ADDRESS, Market, class_of, genesis_of
from tests.points.trial import Trial

CAP_OF_D = 100_000  # units of hD, by its reserve
MIXED: tuple[Operation, ...] = (
    Issue("hD", ADDRESS["u"], 50, "1", "EARN", 0),
    Issue("hD", ADDRESS["v"], 7, "2", "EARN", 0),
    Issue("dot", ADDRESS["u"], 11, "3", "EARN", 0),
    Issue("hD", ADDRESS["u"], 50, "1", "EARN", 0),  # again
    Issue("hD", ADDRESS["u"], 5, "4", "EARN", 0),
    ReverseIssue("1", 20),
    Issue("hD", ADDRESS["u"], 3, "5", "EARN", 0),
    Refund("paid", "r1", 10),
    Issue("dot", ADDRESS["v"], 2, "6", "EARN", 0),
)


def issue(units: int, order_id: str, class_id: str = "hD") -> Issue:
    return Issue(class_id, ADDRESS["u"], units, order_id, "EARN", 0)


def envelope(market: Market, *operations: Operation) -> Receipt:
    """Of D, in a block of its own, with issues of both its classes beside it."""
    receipts = market.block([
        market.transaction("D", issue(1, "before")),
        market.transaction("D", BatchOperations(operations)),
        market.transaction("D", issue(1, "behind")),
    ])  # fmt: skip
    assert [receipt.code for receipt in receipts if receipt is not None][::2] == [0, 0]
    assert receipts[1] is not None
    return receipts[1]


def shop() -> Market:
    """D has two classes and was paid once."""
    market = Market(genesis_of([("D", class_of("dot"))]))
    market.issue("hD", 100, "first")
    market.ok("u", market.redeem("D", 10, "paid"))
    return market


def sums(market: Market) -> dict[bytes, Any]:
    """All that no order, account or garbage list holds: every total."""
    return {key: record for key, record in market.view.records.items() if key[:1] in b"BGKY"}


def test_an_envelope_leaves_the_sums_of_its_operations_one_by_one() -> None:
    together, apart = shop(), shop()
    assert envelope(together, *MIXED).code == Code.OK
    steps: list[tuple[str, Body]] = [("D", operation) for operation in MIXED]
    assert apart.many(("D", issue(1, "before")), *steps, ("D", issue(1, "behind"))).count("OK_DUPLICATE") == 1
    assert sums(together) == sums(apart)


def test_what_an_envelope_has_issued_counts_against_the_cap() -> None:
    market = Market()
    refused = envelope(market, issue(CAP_OF_D - 4, "1"), issue(2, "2"), issue(2, "3"), issue(1, "4"))
    assert (Code(refused.code), refused.operation) == (Code.RESERVE_EXCEEDED, 2)
    assert envelope(Market(), issue(CAP_OF_D - 4, "1"), issue(2, "2")).code == Code.OK


def test_what_an_envelope_has_issued_counts_against_the_quota() -> None:
    market = Market(genesis_of(merchants={"D": {"quota": 100}}))
    refused = envelope(market, issue(90, "1"), issue(8, "2"), issue(2, "3"))
    assert (Code(refused.code), refused.operation) == (Code.QUOTA_EXCEEDED, 2)


def test_another_class_of_the_same_issuer_has_the_same_cap() -> None:
    market = Market(genesis_of([("D", class_of("dot"))]))
    refused = envelope(market, issue(CAP_OF_D - 4, "1"), issue(2, "2", "dot"), issue(2, "3"), issue(2, "4", "dot"))
    assert (Code(refused.code), refused.operation) == (Code.RESERVE_EXCEEDED, 2)


def test_a_reversal_sees_what_its_envelope_has_issued() -> None:
    """And the issues behind it see what it took back."""
    operations = issue(CAP_OF_D - 4, "1"), ReverseIssue("1", 50), issue(50, "2")
    market = Market()
    assert envelope(market, *operations).code == Code.OK
    refused = envelope(Market(), *operations, issue(4, "3"))
    assert (Code(refused.code), refused.operation) == (Code.RESERVE_EXCEEDED, 3)


def test_what_an_envelope_has_granted_counts_against_its_sandbox() -> None:
    trial = Trial()
    operations = tuple(Issue("sA", ADDRESS["u"], units, str(units), "EARN", 0) for units in (600, 300, 101))
    assert trial.do("A", BatchOperations(operations)) is Code.SANDBOX_LIMIT
    assert trial.receipt is not None
    assert trial.receipt.operation == 2
    assert trial.do("A", BatchOperations(operations[:2])) is Code.OK


@pytest.mark.parametrize("uv", [1, 5])  # U64_MAX is a multiple of both: units are too many, or their value is
def test_the_operation_that_passes_64_bits_is_named(uv: int) -> None:
    """Of a class, or of its issuer (D17)."""
    dust = genesis_of([("D", class_of("dust", uv=uv))], {"D": {"credit_limit": 2**51}}, reserve_ratio_bps=10_000)
    units = 2**63 // uv, U64_MAX // uv - 2**63 // uv - 1, 1, 4, 3
    operations = tuple(issue(one, f"o{number}", "dust") for number, one in enumerate(units))
    market = Market(dust)
    assert market.do("D", BatchOperations(operations)) is Code.OVERFLOW
    assert market.receipt is not None
    assert market.receipt.operation == 3
    assert market.do("D", BatchOperations(operations[:3])) is Code.OK


def test_the_operation_that_crosses_the_line_tells_it() -> None:
    """The alert stands behind the issue that caused it, and once."""
    market = Market(genesis_of(alert_cap_bps=8_000))
    done = envelope(market, issue(79_998, "1"), issue(1, "2"), issue(1, "3"))
    assert [event.kind for event in done.events] == ["Issued", "Issued", "RiskAlert", "Issued"]


def test_an_envelope_that_is_refused_leaves_no_sum_behind() -> None:
    market = Market()
    assert envelope(market, issue(50, "1"), issue(0, "2")).code == Code.BAD_AMOUNT
    counters: Counters = market.view.get(counters_key("hD"))
    assert counters.issued == 2, "the issues beside it"


def test_an_envelope_of_one_writes_its_sums() -> None:
    market = Market()
    decoded = market.transaction("D", BatchOperations((issue(CAP_OF_D, "1"),)))
    outcome = apply_transaction(market.view, decoded, Context(market.time, 1, 0, market.chain_id))
    books = outcome.changes[books_key(ADDRESS["D"])]
    assert isinstance(books, Books)
    assert books.outstanding == CAP_OF_D * 10_000
