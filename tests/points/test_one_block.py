"""What a block remembers from one transaction for the next is true for that one too."""

from msgspec.structs import replace

from points.issuing import program_of
from points.keys import PARAMS_KEY
from points.transition import RULES
from points.turn import Turn
from points.view import Overlay
from primitives.codes import Code
from primitives.kinds import AccountKey, BatchOperations, Body, ClassCreate, ClassRetire, Issue, Refund, ReserveAttest
from tests.points.market import ADDRESS, Market, class_of, genesis_of, key_of

CAP_OF_D = 100_000  # units of hD, by its reserve


def issue(units: int, order_id: str, class_id: str = "hD") -> Issue:
    return Issue(class_id, ADDRESS["u"], units, order_id, "EARN", 0)


def codes(market: Market, *steps: tuple[str, Body, list[str]]) -> list[str]:
    """Of one block."""
    receipts = market.block([market.transaction(sender, body, signers) for sender, body, signers in steps])
    return [Code(receipt.code).name for receipt in receipts if receipt is not None]


def test_a_reserve_attested_between_two_issues_counts_for_the_second() -> None:
    market = Market()
    attest = ReserveAttest(ADDRESS["D"], 80_000, market.time, bytes(32))
    found = codes(
        market,
        ("D", issue(CAP_OF_D, "1"), ["D"]),
        ("D", issue(1, "2"), ["D"]),
        ("custodian", attest, ["custodian", "D"]),
        ("D", issue(CAP_OF_D, "3"), ["D"]),
        ("D", issue(1, "4"), ["D"]),
    )
    assert found == ["OK", "RESERVE_EXCEEDED", "OK", "OK", "RESERVE_EXCEEDED"]


def test_a_class_made_or_retired_between_two_issues_is_seen_by_the_second() -> None:
    market = Market()
    found = codes(
        market,
        ("D", issue(1, "1", "new"), ["D"]),
        ("D", ClassCreate("new", uv=10_000, validity_days=365), ["D"]),
        ("D", issue(1, "2", "new"), ["D"]),
        ("D", ClassRetire("new"), ["D"]),
        ("D", issue(1, "3", "new"), ["D"]),
    )
    assert found == ["CLASS_UNKNOWN", "OK", "OK", "OK", "BAD_CLASS"]


def test_new_parameters_make_a_new_cap() -> None:
    market = Market()
    turn = Turn(Overlay(market.view), market.time, 1, market.chain_id, None)
    before = program_of(turn, "hD", turn.class_of("hD"))
    assert program_of(turn, "hD", turn.class_of("hD")) is before
    ratio = 2 * turn.params.reserve_ratio_bps
    turn.put(PARAMS_KEY, replace(turn.params, reserve_ratio_bps=ratio))
    turn.reload()
    after = program_of(turn, "hD", turn.class_of("hD"))
    assert (before.cap, after.cap) == (CAP_OF_D * 10_000, CAP_OF_D * 5_000)


def test_every_kind_of_an_envelope_needs_its_own_role() -> None:
    """Who may issue for a merchant may not refund for it, also behind an operation that it may do."""
    market = Market(genesis_of(extra_keys={"D": (AccountKey(key_of("D.issuer").public_key, "issuer"),)}))
    market.issue("hD", 100)
    market.ok("u", market.redeem("D", 10, "paid"))
    operations = (issue(1, "1"), issue(1, "2"), Refund("paid", "r1", 10))
    assert codes(market, ("D", BatchOperations(operations), ["D.issuer"])) == ["NOT_AUTHORISED"]
    assert market.last is not None
    assert market.last.receipts[0].operation == 2  # type: ignore[union-attr]
    assert codes(market, ("D", BatchOperations(operations), ["D"])) == ["OK"]


def test_no_operation_of_an_envelope_changes_what_its_sender_may_do() -> None:
    """An envelope asks once per kind (transition._apply_batch): so none of these may write an account."""
    names = {kind.__name__ for kind, rule in RULES.items() if rule.batch}
    assert names == {
        "Issue", "ReverseIssue", "Redeem", "RedeemByToken", "Capture", "Void", "Refund", "Exchange", "Transfer",
    }  # fmt: skip


def test_counters_of_a_grant_end_with_an_overflow() -> None:
    """2**64 - 1 units of a class in all, however small their value."""
    most = 2**63
    market = Market(
        genesis_of([("A", class_of("dust", uv=1))], {"A": {"credit_limit": 2**51}}, reserve_ratio_bps=10_000)
    )
    assert codes(market, ("A", issue(most, "1", "dust"), ["A"])) == ["OK"]
    assert codes(market, ("A", issue(most, "2", "dust"), ["A"])) == ["OVERFLOW"]


def test_the_books_of_a_refund_end_with_an_overflow() -> None:
    """2**64 - 1 uY that ever came to a merchant's holders, although its units are half as many."""
    coin = class_of("coin", uv=2)
    market = Market(genesis_of([("A", coin)], {"A": {"credit_limit": 2**51}}, reserve_ratio_bps=10_000))
    assert codes(market, ("A", issue(2**63 - 1, "1", "coin"), ["A"])) == ["OK"]
    market.ok("u", market.redeem("A", 1, "paid"))
    assert codes(market, ("A", Refund("paid", "r1", 1), ["A"])) == ["OVERFLOW"]


def test_an_order_is_listed_for_its_end_once() -> None:
    """Its refund writes the order, and no second list."""
    market = Market()
    market.issue("hA", 100)
    market.ok("u", market.redeem("A", 10, "paid"))
    lists = [key for key in market.view.records if key[:1] == b"P"]
    market.advance(1)
    market.ok("A", Refund("paid", "r1", 10))
    assert [key for key in market.view.records if key[:1] == b"P"] == lists
