"""Who may grant, take and pay in which state (2.8, D6, D19): laws over the orders and lots that one step has written.

Read off the states before and after, never off the code of a rule: so they hold for kinds that are still to come.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from points.keys import class_key, merchant_key
from points.state import BPS, UY_PER_FEN, Frozen, HoldState, MerchantStatus, SpendOrder
from points.view import View
from primitives.receipt import Event

GRANTING = {MerchantStatus.ACTIVE, MerchantStatus.ACCEPT_SUSPENDED}
TAKING = {MerchantStatus.ACTIVE, MerchantStatus.ISSUE_SUSPENDED, MerchantStatus.WIND_DOWN}
HELD = TAKING | {MerchantStatus.ACCEPT_SUSPENDED}  # out of what was set aside before
TAKEN_BACK = ("reverse_issue", "batch", "gov_execute", "void")  # not the doing of the account itself


def payment_faults(
    before: Mapping[bytes, Any], after: Mapping[bytes, Any], view: View, now: int, kind: str, sender: bytes,
    events: Sequence[Event],
) -> Iterator[str]:  # fmt: skip
    """Sentences about a transaction that was carried out, in a block in which no time passed."""
    yield from _grants(before, view, events)
    for key, order in after.items():
        if key[0] == 79 and isinstance(order, SpendOrder) and before.get(key) is not order:  # O
            old = before.get(key)
            if old is None or old.tx != order.tx:
                yield from _payment(before, view, now, key[1:21], order)
            elif old.refunded >= order.refunded or kind not in ("refund", "batch"):
                yield f"order {key[21:]!r} changed by {kind}"
            elif kind == "refund":
                yield from _refund(before, after, view, now, order)
    yield from _limits(before, after, view, now)
    yield from _frozen(before, after, now, kind, sender)
    if kind not in (*TAKEN_BACK, "refund"):
        yield from _pending(before, after, now)


def _grants(before: Mapping[bytes, Any], view: View, events: Sequence[Event]) -> Iterator[str]:
    for event in events:
        if event.kind != "Issued":
            continue
        f = dict(event.fields)
        of = before.get(class_key(str(f["class"]))) or view.get(class_key(str(f["class"])))
        issuer = before[merchant_key(of.issuer)]
        if issuer.status not in GRANTING:
            yield f"2.8: a merchant that is {issuer.status.name} granted {f['class']}"
        if of.retired:
            yield f"{f['class']} is retired and was granted"
        if of.earn_cap_bps and int(f["value"]) * BPS > int(f["cash_value"]) * UY_PER_FEN * of.earn_cap_bps:
            yield f"2.7: {f} is above the earn cap"


def _payment(before: Mapping[bytes, Any], view: View, now: int, payee: bytes, order: SpendOrder) -> Iterator[str]:
    merchant = before[merchant_key(payee)]
    held = bool(order.hold_id)
    if merchant.status not in (HELD if held else TAKING):
        yield f"2.8: a merchant that is {merchant.status.name} took {order.kind}"
    if held:
        hold = before[b"H" + order.hold_id]
        if hold.state is not HoldState.OPEN or hold.expires_at <= now or hold.merchant != payee:
            yield f"D9: taken out of {hold}"
        if order.value > hold.value or order.payer != hold.payer:
            yield f"D9: {order.value} taken out of {hold}"
        return
    for leg in order.legs:
        of = view.get(class_key(leg.class_id))
        if leg.bucket <= now:
            yield f"INV-12: {leg} pays at {now}"
        if now < of.paused_until:
            yield f"{leg.class_id} is paused and pays"
        if of.scope and merchant.category not in of.scope:
            yield f"D6: {leg.class_id} pays at a merchant of {merchant.category}"
        if merchant.status is MerchantStatus.WIND_DOWN and of.issuer != payee:
            yield f"2.8: {leg.class_id} pays at another merchant that winds down"
        fee = leg.pay * view.get(b"p").fee_bps // BPS if of.issuer != payee else 0
        if leg.fee != fee:
            yield f"D6: the fee of {leg} is not {fee}"
        if not 0 <= leg.over < of.uv:
            yield f"2.3: {leg} pays {leg.over} uY too much"


def _refund(
    before: Mapping[bytes, Any], after: Mapping[bytes, Any], view: View, now: int, order: SpendOrder
) -> Iterator[str]:
    """D13: units come back to where they were taken from; what has expired meanwhile is re-dated once, under GRACE."""
    old, new = (_lots(records[b"L" + order.payer]) for records in (before, after))
    today = (now + 28_800) // 86_400
    for lot, units in new.items():
        bucket, class_id, ext = lot
        more = units - old.get(lot, 0)
        if more <= 0:
            continue
        of = view.get(class_key(class_id))
        fits = [
            leg for leg in order.legs
            if leg.class_id == class_id and (
                (leg.bucket, leg.ext) == (bucket, ext)
                or (leg.bucket <= now and not leg.ext and ext and of.refund_policy == "GRACE"
                    and bucket == (today + of.grace_days + 1) * 86_400 - 28_800)
            )
        ]  # fmt: skip
        if more > sum(leg.units for leg in fits):
            yield f"D13: a refund gave {more} of {lot}, its order paid {order.legs}"


def _lots(holdings: Any) -> dict[tuple[int, str, int], int]:
    found: dict[tuple[int, str, int], int] = {}
    for lot in holdings.lots:
        found[lot.bucket, lot.class_id, lot.ext] = found.get((lot.bucket, lot.class_id, lot.ext), 0) + lot.avail
    return found


def _limits(before: Mapping[bytes, Any], after: Mapping[bytes, Any], view: View, now: int) -> Iterator[str]:
    """What an account redeems stays below its tier's limit, what a key moves in a day below its own (2.12, D20)."""
    params = view.get(b"p")
    for key, record in after.items():
        if before.get(key) is record:
            continue
        old = before.get(key)
        if key[0] == 76 and record.redeemed > (old.redeemed if old is not None else 0):  # L
            account = before[b"A" + key[1:]]
            tier = account.tier if now < account.tier_expires else 0
            spent = record.redeemed_year if tier else record.redeemed
            most = (params.kyc0_lifetime, params.kyc1_year, params.kyc2_year)[tier]
            if spent > most:
                yield f"2.12: {key[1:].hex()} of tier {tier} has redeemed {spent} fen, limit {most}"
        elif key[0] == 68 and key[5:6] == b"k":  # D
            owner = before.get(b"A" + key[6:26])
            limits = [of.daily_limit for of in owner.keys if of.key == key[26:]] if owner is not None else []
            if any(limit is not None and record.value > limit for limit in limits):
                yield f"a key of {key[6:26].hex()} moved {record.value} fen today, limit {limits}"


def _frozen(
    before: Mapping[bytes, Any], after: Mapping[bytes, Any], now: int, kind: str, sender: bytes
) -> Iterator[str]:
    """D19: who is frozen starts nothing; of who is frozen altogether nothing is taken but what was wrong."""
    account = before.get(b"A" + sender)
    if account is not None and account.frozen and now < account.frozen_until:
        yield f"{kind} of a frozen account was carried out"
    if kind in TAKEN_BACK:
        return
    for key, holdings in before.items():
        if key[0] != 76 or after[key] is holdings:  # L
            continue
        account = before[b"A" + key[1:]]
        if account.frozen is Frozen.ALL and now < account.frozen_until:
            old, new = (sum(lot.avail + lot.held for lot in h.lots if lot.bucket > now) for h in (holdings, after[key]))
            if new < old:
                yield f"{kind} took {old - new} units from an account that is frozen altogether"


def _pending(before: Mapping[bytes, Any], after: Mapping[bytes, Any], now: int) -> Iterator[str]:
    """What is still pending can only be reversed (2.7, 10)."""
    today = (now + 28_800) // 86_400
    for key, holdings in before.items():
        if key[0] == 76 and after[key] is not holdings:
            old, new = (sum(lot.avail for lot in h.lots if lot.from_day > today) for h in (holdings, after[key]))
            if new < old:
                yield f"{old - new} pending units of {key[1:].hex()} were spent"
