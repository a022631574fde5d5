"""Envelopes, batches, repetitions of ids, memos: what holds for every kind."""

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from points.admission import check_admission
from points.memo import check_memo
from points.state import Head, decode_value, encode_value
from points.transition import Context, apply_transaction, begin_block
from points.view import Memory, Overlay
from primitives.codes import Code
from primitives.kinds import (
    Authorize,
    BatchOperations,
    Issue,
    Redeem,
    Refund,
    ReverseIssue,
    Transfer,
    WindowClose,
)
from tests.points.market import ADDRESS, DAY, START, Market, class_of, genesis_of

market_head = Head(0)


def test_envelope_precedence() -> None:
    """Each row repairs the fault above it (2.10, C17)."""
    market = Market()
    body = Issue("hA", ADDRESS["u"], 1, "o", "EARN", 0)
    rows = [
        (market.transaction("w", body, chain=bytes(32), valid_until=START - 1), Code.WRONG_CHAIN),
        (market.transaction("w", body, valid_until=START - 1), Code.EXPIRED_TX),
        (market.transaction("w", body, valid_until=START + 601), Code.TTL_TOO_LONG),
        (market.transaction("w", body, valid_until=START), Code.ACCOUNT_UNKNOWN),
        (market.transaction("A", body, signers=["B"], valid_until=START + 600), Code.BAD_SIGNATURE),
        (market.transaction("A", body, valid_until=START + 600), Code.OK),
    ]
    for decoded, code in rows:
        if code in (Code.ACCOUNT_UNKNOWN, Code.BAD_SIGNATURE, Code.OK):
            assert check_admission(market.view, decoded, market.time)[0] is code
        (receipt,) = market.block([decoded])
        assert receipt is not None and receipt.code == code


@pytest.mark.pitfall(15)
def test_an_id_is_executed_once_also_after_a_reject() -> None:
    """C6, D1: no second receipt, in the same block or later; the index counts every mention."""
    market = Market()
    bad = market.transaction("A", Issue("hA", ADDRESS["u"], 0, "o", "EARN", 0))
    good = market.transaction("A", Issue("hA", ADDRESS["u"], 1, "o", "EARN", 0))
    receipts = market.block([bad, good, bad, good])
    assert [receipt and (receipt.index, receipt.code) for receipt in receipts] == [
        (0, Code.BAD_AMOUNT), (1, Code.OK), None, None,
    ]  # fmt: skip
    assert market.block([good, bad]) == [None, None]


def test_batch_is_all_or_nothing() -> None:
    """D15."""
    market = Market()
    u = ADDRESS["u"]
    market.ok("A", BatchOperations((Issue("hA", u, 10, "o1", "EARN", 0), ReverseIssue("o1", 4))))
    assert market.avail("hA") == 6
    again = BatchOperations((Issue("hA", u, 10, "o1", "EARN", 0), Issue("hA", u, 1, "o2", "EARN", 0)))
    receipt = market.ok("A", again)
    assert receipt.first is None
    assert market.avail("hA") == 7
    failing = BatchOperations(
        (Issue("hA", u, 5, "o3", "EARN", 0), Issue("hA", u, 999_994, "o4", "EARN", 0), ReverseIssue("o3", 5))
    )
    assert market.do("A", failing) is Code.RESERVE_EXCEEDED
    assert market.receipt is not None
    assert (market.receipt.operation, market.receipt.events) == (1, ())


@pytest.mark.parametrize(
    ("operations", "operation"),
    [
        ((), None),
        (tuple(Issue("hA", ADDRESS["u"], 1, f"o{i}", "EARN", 0) for i in range(257)), None),
        ((Issue("hA", ADDRESS["u"], 1, "o", "EARN", 0), WindowClose()), 1),
        ((Authorize(ADDRESS["B"], 1, 60),), 0),
    ],
)
def test_bad_batches(operations: tuple[Issue, ...], operation: int | None) -> None:
    market = Market()
    assert market.do("A", BatchOperations(operations)) is Code.BAD_BATCH
    assert market.receipt is not None and market.receipt.operation == operation


def test_a_batch_of_static_payments_makes_an_order_each() -> None:


    market = Market()
    market.issue("hA", 100)
    static = market.request("B", 0, None, static=True, expires_at=0)
    market.ok("u", BatchOperations((Redeem(static, 1), Redeem(static, 2))))
    assert market.avail("hA") == 97


@pytest.mark.parametrize(
    ("memo", "code"),
    [
        ("海".encode() * 42, Code.OK),
        ("海".encode() * 43, Code.MEMO_TOO_LONG),
        ("\u202e".encode(), Code.MEMO_CHARSET),
        (b"\x07", Code.MEMO_CHARSET),
        (b"\x7f", Code.MEMO_CHARSET),
        (b"\xc3\x28", Code.MEMO_CHARSET),
        (b"\xed\xa0\x80", Code.MEMO_CHARSET),
        ("\ufeff".encode(), Code.MEMO_CHARSET),
        ("\ufdd0".encode(), Code.MEMO_CHARSET),
        ("\U0001ffff".encode(), Code.MEMO_CHARSET),
        ("\u061c".encode(), Code.MEMO_CHARSET),
        ("👩‍👩‍👧 tea for two".encode(), Code.OK),
        (b"~" * 128, Code.OK),
    ],
)
def test_memo(memo: bytes, code: Code) -> None:
    """Scenario 25."""
    assert check_memo(memo) is code
    market = Market()
    assert market.do("A", Issue("hA", ADDRESS["u"], 1, "o", "EARN", 0, memo)) is code
    if code is Code.OK:
        assert market.receipt is not None
        assert dict(market.receipt.events[0].fields)["memo"] == memo.decode()


def test_one_transaction_over_a_view_changes_nothing_in_it() -> None:
    market = Market()
    before = dict(market.view.records)
    changes, events = begin_block(market.view, START + 1, START)
    assert (changes, events) == ({}, ())
    decoded = market.transaction("A", Issue("hA", ADDRESS["u"], 5, "o", "EARN", 0))
    outcome = apply_transaction(market.view, decoded, Context(START, 1, 0, market.chain_id))
    assert outcome.code is Code.OK and outcome.changes
    assert market.view.records == before
    rejected = apply_transaction(market.view, decoded, Context(START + 601, 1, 0, market.chain_id))
    assert (rejected.code, rejected.changes, rejected.events) == (Code.EXPIRED_TX, {}, ())


def test_records_come_back_from_their_bytes() -> None:
    market = Market()
    market.issue("hA", 1000)
    market.ok("u", market.redeem("B", 300, "b1"))
    market.authorize("B", 30)
    market.ok("B", Refund("b1", "r1", 100))
    market.ok("operator", WindowClose())
    for key, record in market.view.records.items():
        assert decode_value(key, encode_value(record)) == record


def test_overlay_is_a_dict_with_savepoints() -> None:
    below = Memory()
    one, two, three = (replace(market_head, window=n) for n in (1, 2, 3))
    below.apply({b"Wa": one, b"Wc": one})
    draft = Overlay(below)
    draft.put(b"Wb", two)
    mark = draft.mark()
    draft.put(b"Wb", three)
    draft.put(b"Wa", None)
    draft.put(b"Wd", two)
    assert list(draft.range(b"W", b"X")) == [(b"Wb", three), (b"Wc", one), (b"Wd", two)]
    assert draft.since(mark) == {b"Wb": three, b"Wa": None, b"Wd": two}
    assert [draft.get(key) for key in (b"Wa", b"Wb", b"Wc", b"Wd")] == [None, three, one, two]
    draft.rollback(mark)
    assert [draft.get(key) for key in (b"Wa", b"Wb", b"Wc", b"Wd")] == [one, two, one, None]
    assert list(draft.range(b"W", b"X")) == [(b"Wa", one), (b"Wb", two), (b"Wc", one)]
    assert draft.changes == {b"Wb": two}


def test_an_overlay_asks_below_once_for_a_key() -> None:
    """Also for one that is not there, and after it was written and taken back once more."""
    asked: list[bytes] = []

    class Below:
        def get(self, key: bytes) -> Any:
            asked.append(key)

        def range(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, Any]]:
            return iter(())

    draft = Overlay(Below())
    assert [draft.get(b"Wa"), draft.get(b"Wa"), draft.get(b"Wb")] == [None] * 3
    assert asked == [b"Wa", b"Wb"]
    mark = draft.mark()
    draft.put(b"Wa", market_head)
    draft.rollback(mark)
    assert (draft.get(b"Wa"), draft.get(b"Wa"), asked[2:]) == (None, None, [b"Wa"])


def test_transfers_have_a_daily_limit_only_where_one_is_set() -> None:
    transferable = [("A", class_of("hA", transferable=True))]
    market = Market(genesis_of(transferable, transfer_day=50))
    market.issue("hA", 100)
    market.ok("u", Transfer("hA", 50, ADDRESS["v"]))
    assert market.do("u", Transfer("hA", 1, ADDRESS["v"])) is Code.VELOCITY
    market.advance(DAY)
    market.ok("u", Transfer("hA", 1, ADDRESS["v"]))
