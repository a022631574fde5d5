"""What a payment or an exchange would do now, by the very rules that will do it; nothing is written."""

from typing import Any

from points.exchange import terms_of
from points.keys import class_key, holdings_key, merchant_key
from points.lots import touched
from points.queries import reading, text
from points.selection import Purse
from points.state import BPS, NO_HOLDINGS, UY_PER_FEN, Class, Holdings, Lot, Merchant
from points.turn import Turn
from points.view import View
from primitives.codes import Code
from primitives.kinds import Exchange

Plain = Any


def redeem(view: View, time_s: int, payer: bytes, payee: bytes, value: int) -> Plain:
    """Legs, fee (uY, borne by the merchant) and holder's value (fen) of paying `value` fen; `code` tells why not."""
    turn = reading(view, time_s)
    merchant: Merchant | None = turn.get(merchant_key(payee))
    if merchant is None:
        return {"code": Code.MERCHANT_UNKNOWN.name, "legs": []}
    if not value:
        return {"code": Code.BAD_AMOUNT.name, "legs": []}
    lots = _lots(turn, payer)
    spends = Purse(turn, payee, merchant, lots).choose(value * UY_PER_FEN)
    if isinstance(spends, Code):
        return {"code": spends.name, "legs": []}
    legs = []
    for spend in spends:
        lot = lots[spend.position]
        fee = 0 if spend.issuer == payee else spend.pay * turn.params.fee_bps // BPS
        legs.append({
            "issuer": text(spend.issuer), "class": lot.class_id, "units": spend.units, "pay": spend.pay, "fee": fee,
            "over": spend.over, "expires": lot.bucket,
        })  # fmt: skip
    before = _spendable(turn, lots)
    after = before - sum(spend.pay + spend.over for spend in spends)
    return {
        "code": Code.OK.name, "value": value, "fee": sum(leg["fee"] for leg in legs), "legs": legs,
        "value_before": before // UY_PER_FEN, "value_after": after // UY_PER_FEN,
    }  # fmt: skip


def exchange(view: View, time_s: int, holder: bytes, class_id: str, to_class: str, units: int) -> Plain:
    """Units out, fee and dust (uY), value before and after (fen) and the new expiry; `code` tells why not."""
    turn = reading(view, time_s)
    source: Class | None = turn.get(class_key(class_id))
    target: Class | None = turn.get(class_key(to_class))
    if not units:
        return {"code": Code.BAD_AMOUNT.name}
    if class_id == to_class:
        return {"code": Code.BAD_CLASS.name}
    if source is None or target is None:
        return {"code": Code.CLASS_UNKNOWN.name}
    if not target.exchangeable or target.retired:
        return {"code": Code.EXCHANGE_DISABLED.name}
    lots = _lots(turn, holder)
    terms = terms_of(turn, Exchange(class_id, units, to_class), source, target, lots)
    if isinstance(terms, Code):
        return {"code": terms.name}
    before = _spendable(turn, lots)
    after = before - terms.value + terms.out * target.uv
    return {
        "code": Code.OK.name, "class": class_id, "units": units, "to_class": to_class, "out": terms.out,
        "value": terms.value, "fee": terms.fee, "dust": terms.dust, "expires": terms.bucket, "ext": bool(terms.ext),
        "value_before": before // UY_PER_FEN, "value_after": after // UY_PER_FEN,
    }  # fmt: skip


def _lots(turn: Turn, address: bytes) -> list[Lot]:
    holdings: Holdings = turn.get(holdings_key(address)) or NO_HOLDINGS
    return list(touched(holdings.lots, turn.time, turn.day))


def _spendable(turn: Turn, lots: list[Lot]) -> int:
    return sum(lot.avail * turn.get(class_key(lot.class_id)).uv for lot in lots if not lot.from_day)
