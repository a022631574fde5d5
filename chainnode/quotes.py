"""Quotes: the rule itself, run on a draft that is thrown away, so that a quote is exact and never differs from it."""

from typing import Any, Final

import msgspec

from chainnode.problem import Refused
from chainnode.record_view import StateMoment
from points.exchange import apply_exchange
from points.keys import account_key, holdings_key
from points.redemption import apply_redeem
from points.state import NO_HOLDINGS, Account, Holdings
from points.turn import Turn
from points.view import Overlay
from primitives.codec import Amount, Bytes20, Identifier, Record
from primitives.codes import Code
from primitives.hashing import ZERO_DIGEST
from primitives.kinds import Exchange, PaymentRequest, Redeem
from primitives.receipt_form import event_to_plain

Plain = Any
QUOTE_ORDER: Final = "~" * 64  # the draft's order; a real one of this id would make the quote a repetition
_SIGNATURE: Final = bytes(64)  # nobody checks it in a draft


class RedeemQuote(Record):
    """`value` in fen."""

    account: Bytes20
    merchant: Bytes20
    value: Amount


class ExchangeQuote(Record):
    account: Bytes20
    class_id: Identifier = msgspec.field(name="class")
    units: Amount
    to_class: Identifier


def _draft(state: StateMoment, now: int, sender: bytes) -> Turn:
    turn = Turn(Overlay(state.view), now, state.head.height + 1, bytes(32), None)
    account: Account | None = state.view.get(account_key(sender))
    if account is None:
        raise Refused(Code.ACCOUNT_UNKNOWN, "no account has this address", "query", status=404)
    turn.begin(ZERO_DIGEST, 0, sender)
    turn.account = account
    turn.signers = account.keys
    return turn


def _refused(turn: Turn, code: Code) -> Refused:
    return Refused(code, turn.detail, "query")


def quote_redeem(state: StateMoment, now: int, asked: RedeemQuote) -> Plain:
    """{"value" (fen), "value_before", "value_after", "fee", "over", "legs"}, in uY: given, paid."""
    turn = _draft(state, now, asked.account)
    payee: Account | None = state.view.get(account_key(asked.merchant))
    key = payee.keys[0].key if payee is not None else bytes(32)
    request = PaymentRequest(asked.merchant, QUOTE_ORDER, asked.value, now + 60, key, _SIGNATURE)
    code = apply_redeem(turn, Redeem(request, asked.value))
    if code is not Code.OK:
        raise _refused(turn, code)
    events = [event_to_plain(event) for event in turn.events]
    legs = [{name: value for name, value in event.items() if name != "kind"} for event in events if "pay" in event]
    total = {name: sum(leg.get(name, 0) for leg in legs) for name in ("pay", "fee", "over")}
    return {"value": asked.value, "value_before": total["pay"] + total["over"], "value_after": total["pay"],
            "fee": total["fee"], "over": total["over"], "legs": legs, "height": state.head.height}  # fmt: skip


def _had_expired(turn: Turn, asked: ExchangeQuote) -> bool:
    """Whether what the account has of the class would do, had nothing of it expired."""
    holdings: Holdings = turn.get(holdings_key(asked.account)) or NO_HOLDINGS
    units = [(lot.avail, lot.bucket) for lot in holdings.lots if lot.class_id == asked.class_id]
    return sum(avail for avail, _ in units) >= asked.units and any(bucket <= turn.time for _, bucket in units)


def quote_exchange(state: StateMoment, now: int, asked: ExchangeQuote) -> Plain:
    """{"units", "out", "fee", "dust", "value_before", "value_after", "expires_at"}; fee, dust and values in uY."""
    turn = _draft(state, now, asked.account)
    code = apply_exchange(turn, Exchange(asked.class_id, asked.units, asked.to_class))
    if code is Code.INSUFFICIENT and _had_expired(turn, asked):
        code = Code.LOT_EXPIRED  # the transaction would say INSUFFICIENT; who asks may want to know why
    if code is not Code.OK:
        raise _refused(turn, code)
    plain = event_to_plain(next(event for event in turn.events if event.kind == "Exchanged"))
    before = plain["value"]
    return {"class": asked.class_id, "units": asked.units, "to_class": asked.to_class, "out": plain["out"],
            "fee": plain["fee"], "dust": plain["dust"], "value_before": before,
            "value_after": before - plain["fee"] - plain["dust"], "expires_at": plain["bucket"],
            "height": state.head.height}  # fmt: skip

