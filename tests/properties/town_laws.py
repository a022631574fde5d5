"""What must be true of every step, whatever its kind is: laws over the state before, the state after, and the receipt.

INV-1 to 6, 8, 9, 12, 15 and those of the rooms can be read off one state (points.invariants). Here are the others:
INV-7 at every grant, INV-10 and INV-11 at every exchange and transfer, INV-13 at every repetition; that nobody loses
points or keys by somebody else's signature; that counters never fall; and that no life is lengthened.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from points.invariants import violations
from points.keys import books_key, class_key, merchant_key
from points.state import BPS, NO_BOOKS, UY_PER_FEN
from points.view import Memory, View
from primitives.codes import Code
from primitives.kinds import BatchOperations, kind_of
from primitives.receipt import Event, Receipt
from tests.properties.bans import broken_bans
from tests.properties.town_payments import payment_faults

if TYPE_CHECKING:
    from tests.properties.town import Act, Town

KEYED = {"issue", "batch_issue", "redeem", "redeem_by_token", "capture", "refund"}
TAKES = {
    "capture", "redeem_by_token", "reverse_issue", "batch", "gov_execute",
}  # kinds by which points leave an account that did not sign this very transaction: a code, a hold, an order signed it
KEY_KINDS = {"key_add", "key_revoke", "key_limit", "recovery_finish", "account_open"}
FREEZES = {"freeze", "unfreeze"}
NO_ANSWER = {Code.NOT_AUTHORISED, Code.BAD_SIGNATURE, Code.ACCOUNT_UNKNOWN, Code.MERCHANT_UNKNOWN}
MOVING = {"Issued", "Redeemed", "HoldOpened", "HoldCaptured", "Exchanged", "Transferred", "AssetSold"}
RULES = {"earn_cap_bps", "max_per_order", "exchangeable", "exchange_in_quota"}  # of a class, by decision
GRANTS = {"Issued": "class", "Exchanged": "to_class"}


class Seen(NamedTuple):
    """An operation that was carried out."""

    sender: bytes
    body: Any
    at: int
    first: tuple[bytes, int, int]


def _purses(rows: Iterable[tuple[bytes, Any]], now: int) -> dict[bytes, dict[str, int]]:
    found: dict[bytes, dict[str, int]] = {}
    for key, holdings in rows:
        mine = found.setdefault(key[1:], {})
        for lot in holdings.lots:
            units = lot.held + (lot.avail if lot.bucket > now else 0)
            if units:
                mine[lot.class_id] = mine.get(lot.class_id, 0) + units
    return found


def _lots(rows: Iterable[tuple[bytes, Any]], now: int) -> dict[bytes, dict[tuple[int, str, int], int]]:
    """Holder -> (expiry, class, ext) -> units, held ones included."""
    found: dict[bytes, dict[tuple[int, str, int], int]] = {}
    for key, holdings in rows:
        mine = found.setdefault(key[1:], {})
        for lot in holdings.lots:
            units = lot.held + (lot.avail if lot.bucket > now else 0)
            mine[lot.bucket, lot.class_id, lot.ext] = mine.get((lot.bucket, lot.class_id, lot.ext), 0) + units
    return found


def _holders(records: Mapping[bytes, Any]) -> list[tuple[bytes, Any]]:
    return [(key, record) for key, record in records.items() if key[0] == 76]  # L


def sound(view: View, now: int) -> None:
    """INV-1 to INV-6 and the others of one state."""
    found = violations(view, now)
    assert found == [], found


def judge_time(before: Mapping[bytes, Any], view: Memory, now: int, events: Sequence[Event]) -> None:
    """Time gives nobody anything but what the committee decided before."""
    sound(view, now)
    _counters(before, view.records)
    _keys(before, view, "", b"", now)
    _classes(before, view, "")
    old, new = _lots(_holders(before), 0), _lots(_holders(view.records), 0)
    for event in events:
        if event.kind == "ErrataCredited":
            who, f = dict(event.accounts)["to"], dict(event.fields)
            lot = int(f["bucket"]), str(f["class"]), 1
            mine = old.setdefault(who, {})
            mine[lot] = mine.get(lot, 0) + int(f["units"])
    for who, lots in new.items():
        for lot, units in lots.items():
            assert units <= old.get(who, {}).get(lot, 0), f"time gave {who.hex()} {lot}"


def judge_block(before: Mapping[bytes, Any], view: Memory, now: int, receipts: Sequence[Receipt]) -> None:
    """Of many transactions together: what does not depend on their order."""
    sound(view, now)
    _counters(before, view.records)
    purses = _purses(_holders(before), now), _purses(_holders(view.records), now)
    broken = list(broken_bans(*purses, receipts, view))
    assert broken == [], broken


def judge(
    before: Mapping[bytes, Any], view: Memory, now: int, sender: bytes, body: Any, receipt: Receipt, head: int
) -> None:
    """Of one transaction that was carried out, in a block in which no time passed."""
    judge_block(before, view, now, [receipt])
    kind = kind_of(body)
    _closed_windows(before, view.records, head)
    _keys(before, view, kind, sender, now)
    _classes(before, view, kind)
    _caps(view, now, receipt.events)
    _trials(before, view, now, receipt.events)
    faults = list(payment_faults(before, view.records, view, now, kind, sender, receipt.events))
    assert faults == [], faults
    paused = before.get(b"o")
    moving = [event.kind for event in receipt.events if event.kind in MOVING]
    assert not moving or paused is None or now >= paused.until, f"{moving} while the network is paused"
    _exchanges(view, receipt.events)
    old, new = _lots(_holders(before), now), _lots(_holders(view.records), now)
    _nobody_else(old, new, kind, sender, now)
    _lives(view, old, new, receipt.events)
    if kind == "transfer":
        assert _sum(old) == _sum(new), "INV-11: a transfer changed class, expiry or mark"


def _counters(before: Mapping[bytes, Any], after: Mapping[bytes, Any]) -> None:
    """INV-9."""
    for key, old in before.items():
        if key[0] == 75:  # K
            new = after[key]
            for name in ("issued", "exch_in", "restored", "redeemed", "expired", "burned"):
                assert getattr(new, name) >= getattr(old, name), f"INV-9: {name} of {key!r} fell"


def _closed_windows(before: Mapping[bytes, Any], after: Mapping[bytes, Any], head: int) -> None:
    """What stands in a closed window is never written again."""
    open_window = b"Y" + head.to_bytes(8, "big")
    for key, record in after.items():
        if key[0] == 89 and key[:9] < open_window:  # Y
            assert before.get(key) == record, f"an obligation of a closed window changed: {key.hex()}"


def _classes(before: Mapping[bytes, Any], view: Memory, kind: str) -> None:
    """D5: what points are worth, how long they live and where they pay stands for good."""
    for key, old in before.items():
        if key[0] != 67 or (new := view.records[key]) is old:  # C
            continue
        changed = {name for name in old.__struct_fields__ if getattr(old, name) != getattr(new, name)}
        may = {"class_retire": {"retired"}, "pause_class": {"paused_until"}, "": RULES, "gov_execute": RULES}
        assert changed <= may.get(kind, set()), f"D5: {kind or 'time'} changed {changed} of {key!r}"


def _keys(before: Mapping[bytes, Any], view: Memory, kind: str, sender: bytes, now: int) -> None:
    """Who may sign for an account, its offices and its freeze change by their own kinds only."""
    for key, old in before.items():
        if key[0] != 65:  # A
            continue
        new = view.records[key]
        if new is old:
            continue
        if (new.keys, new.threshold) != (old.keys, old.threshold):
            assert kind in KEY_KINDS and (kind == "recovery_finish" or sender == key[1:]), f"{kind} changed keys"
        if (new.frozen, new.frozen_until) != (old.frozen, old.frozen_until):
            assert kind in FREEZES, f"{kind or 'time'} changed a freeze"
        if new.roles != old.roles:
            assert kind in ("", "gov_execute"), f"{kind} changed an office"
        if new.guardians != old.guardians and kind:
            planned = new.guardians == old.next_guardians and old.next_from <= now  # the owner's word of 7 days ago
            assert planned or (kind == "guardians_set" and sender == key[1:]), f"{kind} changed guardians"


def cap(view: View, merchant: bytes, now: int) -> int:
    """uY that its points and debts may be worth together (INV-7), as the design says it."""
    of, params = view.get(merchant_key(merchant)), view.get(b"p")
    stale = now > of.attested + params.attestation_days * 86_400
    ratio = BPS if stale else of.reserve_ratio_bps or params.reserve_ratio_bps
    return of.reserve * UY_PER_FEN * BPS // ratio + of.credit_limit * UY_PER_FEN  # type: ignore[no-any-return]


def _caps(view: View, now: int, events: Sequence[Event]) -> None:
    """INV-7 at every grant and every exchange into a class."""
    for event in events:
        name = GRANTS.get(event.kind)
        if name is None:
            continue
        fields = dict(event.fields)
        issuer = view.get(class_key(str(fields[name]))).issuer
        books = view.get(books_key(issuer)) or NO_BOOKS
        room = cap(view, issuer, now)
        assert books.outstanding + books.payable <= room, f"INV-7: {books} above {room}"


def _trials(before: Mapping[bytes, Any], view: View, now: int, events: Sequence[Event]) -> None:
    """INV-16: a sandbox grants while it runs, to those on its list, and its points go where it says."""
    for event in events:
        f, who = dict(event.fields), dict(event.accounts)
        class_id = str(f.get("to_class", f.get("class", "")))
        of = view.get(class_key(class_id)) if class_id else None
        if of is None or not of.sandbox or event.kind not in ("Issued", "Exchanged", "Transferred"):
            continue
        assert event.kind == "Issued", f"INV-16: {event.kind} of {class_id}"
        trial = before.get(b"s" + of.sandbox.encode())
        assert trial is not None and not trial.over, f"INV-16: {class_id} granted beyond its trial"
        assert trial.starts <= now < trial.ends, f"INV-16: {class_id} granted at {now}: {trial}"
        listed = b"u" + of.sandbox.encode() + b"\x00" + who["to"]
        assert listed in before, f"INV-16: {who['to'].hex()} is not on the list of {of.sandbox}"


def _exchanges(view: View, events: Sequence[Event]) -> None:
    """INV-10."""
    for event in events:
        if event.kind != "Exchanged":
            continue
        f: dict[str, Any] = dict(event.fields)
        uv_in, uv_out = view.get(class_key(f["class"])).uv, view.get(class_key(f["to_class"])).uv
        units_in, units_out = f["units"], f.get("out", f.get("units_out"))
        assert units_in * uv_in == units_out * uv_out + f["fee"] + f["dust"], f"INV-10: {f}"
        assert 0 <= f["dust"] < uv_out, f"INV-10: {f}"


def _nobody_else(
    old: Mapping[bytes, Mapping[Any, int]], new: Mapping[bytes, Mapping[Any, int]], kind: str, sender: bytes, now: int
) -> None:
    """Points leave an account by its own signature, or by what it has signed before."""
    if kind in TAKES:
        return
    for who, mine in old.items():
        for lot, units in mine.items():
            if who != sender and lot[0] > now:  # what was held beyond its life ends with the hold
                assert new.get(who, {}).get(lot, 0) >= units, f"{kind} took {lot} from {who.hex()}"


def _sum(lots: Mapping[bytes, Mapping[Any, int]]) -> dict[Any, int]:
    total: dict[Any, int] = {}
    for mine in lots.values():
        for lot, units in mine.items():
            total[lot] = total.get(lot, 0) + units
    return {lot: units for lot, units in total.items() if units}


def _lives(
    view: View, old: Mapping[bytes, Mapping[Any, int]], new: Mapping[bytes, Mapping[Any, int]], events: Sequence[Event]
) -> None:
    """The value that lasts until any given second rises by what was granted or refunded, and by nothing else."""
    if any(event.kind in ("Refunded", "ErrataApplied") for event in events):
        return
    granted = [(int(f["bucket"]), int(f["value"])) for e in events if e.kind == "Issued" for f in (dict(e.fields),)]
    before, after = _sum(old), _sum(new)
    uv = {class_id: view.get(class_key(class_id)).uv for _, class_id, _ in (*before, *after)}
    for until in {bucket for bucket, _, _ in after}:
        lasting = sum(units * uv[class_id] for (bucket, class_id, _), units in after.items() if bucket >= until)
        lasted = sum(units * uv[class_id] for (bucket, class_id, _), units in before.items() if bucket >= until)
        gift = sum(value for bucket, value in granted if bucket >= until)
        assert lasting <= lasted + gift, f"{lasting - lasted - gift} uY last until {until} and did not before"


def judge_repetition(town: "Town", act: "Act", receipt: Receipt) -> None:
    """INV-13: who asks again for the same thing, in the time in which orders are kept, gets the first answer."""
    name = identity(act.sender, act.body)
    seen = town.done.get(name) if name else None
    params = town.view.get(b"p")
    if seen is None or town.now > seen.at + max(params.refund_window_days, params.return_window_days) * 86_400:
        return
    if _compared(seen.sender, seen.body) != _compared(act.sender, act.body):
        assert receipt.code != Code.OK, f"INV-13: {seen.body} was done, and now {act.body}"
        return
    assert receipt.code in NO_ANSWER | {Code.OK_DUPLICATE}, f"INV-13: {act.body} again: {receipt}"
    if receipt.code == Code.OK_DUPLICATE:
        assert receipt.first is not None
        first = (receipt.first.tx, receipt.first.height, receipt.first.index)
        assert first == seen.first, f"INV-13: {act.body} again: {receipt}, was {seen.first}"


def identity(sender: bytes, body: Any) -> tuple[Any, ...]:
    """The order key of an operation (D2); () for one without."""
    if isinstance(body, BatchOperations) or kind_of(body) not in KEYED:
        return ()
    match kind_of(body):
        case "redeem":
            return () if body.request.static else (body.request.merchant, body.request.order_id)
        case "refund":
            return sender, body.order_id, body.refund_id
        case _:
            return sender, body.order_id


def _compared(sender: bytes, body: Any) -> tuple[Any, ...]:
    """The fields that make two operations under one order key the same (D2)."""
    match kind_of(body):
        case "issue":
            return "issue", body.to, body.class_id, body.units, body.reason, body.cash_value
        case "batch_issue":
            return "batch_issue", body.campaign, body.class_id, body.entries
        case "redeem":
            return "redeem", sender, body.request.value
        case "redeem_by_token":
            return "token", body.pay_code.account, body.value
        case "capture":
            return "capture", body.hold_id, body.value
        case _:
            return "refund", body.value
