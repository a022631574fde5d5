"""The invariants INV-1 to INV-17, computed again from the whole state; every violation is a sentence with both values.

INV-1 to INV-6, INV-8, INV-9, INV-12 and INV-15 to INV-17 can be read off one state. INV-7 holds at each issue; a
refund, an erratum or a cut of the reserve may break it. INV-10, INV-11 and INV-13 speak of steps: they are checked
where the steps are taken. Of the validators: what the next epoch needs to begin at any moment (C8). The cost is one
pass over the state.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from points.asset_invariants import asset_faults
from points.campaign_invariants import campaign_faults
from points.campaign_records import BatchOrder
from points.clearing_invariants import clearing_faults
from points.errata_invariants import errata_faults
from points.governance_audit import governance_faults
from points.keys import HEAD_KEY, books_key, class_key, counters_key, merchant_key
from points.merchant_invariants import merchant_faults
from points.office_invariants import office_faults
from points.open_recoveries import recovery_faults
from points.queries import text
from points.sandbox_invariants import sandbox_faults
from points.state import (
    FUND,
    NO_BOOKS,
    NO_COUNTERS,
    UY_PER_FEN,
    Books,
    Class,
    Counters,
    HoldState,
    LegState,
    Position,
    SpendOrder,
    WindowState,
)
from points.validators import TIMEOUTS_MAX, Register, applied, changed, changes_max, members_min, occupied, register
from points.view import View
from primitives.validators import VALIDATORS_MAX

CLOSED_LEGS: Final = (LegState.CONFIRMED, LegState.WRITTEN_OFF)


def violations(view: View, time_s: int) -> list[str]:
    """All broken invariants of a state at block time `time_s`; [] for a sound one."""
    return [
        *_units(view, time_s),
        *_issuers(view),
        *_holds(view),
        *_windows(view),
        *_orders(view),
        *clearing_faults(view),
        *_validators(view),
        *asset_faults(view, time_s),
        *governance_faults(view),
        *recovery_faults(view),
        *campaign_faults(view, time_s),
        *sandbox_faults(view, time_s),
        *merchant_faults(view),
        *errata_faults(view),
        *office_faults(view),
    ]


def _units(view: View, time_s: int) -> Iterator[str]:
    """INV-1, INV-2, INV-9, INV-12."""
    lots: dict[tuple[int, str], list[int]] = defaultdict(lambda: [0, 0])
    for key, holdings in view.range(b"L", b"M"):
        ranks = [(lot.bucket, lot.class_id, -lot.ext, lot.from_day) for lot in holdings.lots]
        if ranks != sorted(set(ranks)):
            yield f"holdings of {text(key[1:])}: lots out of order or twice: {ranks}"
        for lot in holdings.lots:
            if lot.avail < 0 or lot.held < 0 or not lot.avail + lot.held:
                yield f"INV-9: a lot of {text(key[1:])} in {lot.class_id} has {lot.avail} available, {lot.held} held"
            sums = lots[lot.bucket, lot.class_id]
            sums[0] += lot.avail if lot.bucket > time_s else 0
            sums[1] += lot.held
    outstanding: dict[str, int] = defaultdict(int)
    for prefix in (b"G", b"g"):
        for key, agg in view.range(prefix, bytes([prefix[0] + 1])):
            bucket, class_id = int.from_bytes(key[1:9], "big"), key[9:].decode()
            outstanding[class_id] += agg.avail + agg.held
            avail, held = lots.pop((bucket, class_id), [0, 0])
            if (avail, held) != (agg.avail, agg.held):
                yield f"INV-2: {class_id} at {bucket}: lots {avail} + {held} held, bucket {agg.avail} + {agg.held} held"
            if (prefix == b"g" or bucket <= time_s) and agg.avail:
                yield f"INV-12: {class_id} at {bucket}: {agg.avail} units available after expiry, time {time_s}"
    for (bucket, class_id), (avail, held) in lots.items():
        if avail or held:
            yield f"INV-2: {class_id} at {bucket}: lots {avail} + {held} held, no bucket"
    breakage: dict[str, int] = defaultdict(int)
    for key, month in view.range(b"lb", b"lc"):
        breakage[key[6:].decode()] += month.units
    for key, _ in view.range(b"C", b"D"):
        class_id = key[1:].decode()
        c: Counters = view.get(counters_key(class_id)) or NO_COUNTERS
        left = c.issued + c.exch_in + c.restored
        right = outstanding[class_id] + c.redeemed + c.expired + c.burned
        if left != right:
            yield f"INV-1: {class_id}: {left} units came in, {right} are outstanding, redeemed, expired or burned"
        if breakage[class_id] != c.expired:
            yield f"INV-1: {class_id}: {c.expired} units expired, its months count {breakage[class_id]}"


def _issuers(view: View) -> Iterator[str]:
    """INV-4, and that the books agree with the counters and the obligations they sum up."""
    value: dict[bytes, int] = defaultdict(int)
    for key, record in view.range(b"C", b"D"):
        of: Class = record
        c: Counters = view.get(counters_key(key[1:].decode())) or NO_COUNTERS
        units = c.issued + c.exch_in + c.restored - c.redeemed - c.expired - c.burned
        value[of.issuer] += units * of.uv
    payable: dict[bytes, int] = defaultdict(int)
    for debtor, amount in _unreleased(view):
        payable[debtor] += amount
    for key, _ in view.range(b"M", b"N"):
        who = key[1:]
        b: Books = view.get(books_key(who)) or NO_BOOKS
        identity = b.issued + b.iss_in - b.iss_out - b.self_redeemed + b.self_refunded - b.expired - b.revoked
        if not b.outstanding == identity == value[who]:
            yield (
                f"INV-4: {text(who)}: books {b.outstanding} uY outstanding, identity {identity}, units {value[who]}"
            )
        if b.payable != payable[who]:
            yield f"INV-5: {text(who)}: books {b.payable} uY payable, unreleased obligations {payable[who]}"


def _unreleased(view: View) -> Iterator[tuple[bytes, int]]:
    """(debtor, uY) of every obligation that still counts against a cap (D11, D12)."""
    for key, obligation in view.range(b"Y", b"Z"):
        debtor = key[9:29]
        position: Position | None = view.get(b"N" + key[1:9] + debtor)
        if debtor != FUND and (position is None or not position.released):
            yield debtor, obligation.value


def _holds(view: View) -> Iterator[str]:
    """INV-3 per lot, and the number of open holds per payer."""
    held: dict[tuple[bytes, int, str, int], int] = defaultdict(int)
    opened: dict[bytes, int] = defaultdict(int)
    for key, hold in view.range(b"H", b"I"):
        if hold.state is not HoldState.OPEN:
            continue
        opened[hold.payer] += 1
        if view.get(b"T" + hold.expires_at.to_bytes(8, "big") + key[1:]) is None:
            yield f"INV-3: hold {key[1:].hex()} is open and has no timer"
        if sum(leg.pay for leg in hold.legs) != hold.value * UY_PER_FEN:
            yield f"INV-3: hold {key[1:].hex()}: legs pay {sum(leg.pay for leg in hold.legs)} uY of {hold.value} fen"
        for leg in hold.legs:
            held[hold.payer, leg.bucket, leg.class_id, leg.ext] += leg.units
    for key, holdings in view.range(b"L", b"M"):
        payer = key[1:]
        if holdings.open_holds != opened.pop(payer, 0):
            yield f"INV-3: {text(payer)} counts {holdings.open_holds} open holds, there are others"
        for lot in holdings.lots:
            units = held.pop((payer, lot.bucket, lot.class_id, lot.ext), 0) if not lot.from_day else 0
            if units != lot.held:
                yield f"INV-3: a lot of {text(payer)} in {lot.class_id} has {lot.held} held, its holds {units}"
    for (payer, bucket, class_id, _), units in held.items():
        yield f"INV-3: holds on {units} units of {class_id} at {bucket} of {text(payer)}, no such lot"


def _windows(view: View) -> Iterator[str]:
    """INV-5 and INV-6 per closed window, its counts of open legs, and the chain of carries."""
    head = view.get(HEAD_KEY).window
    carries: dict[bytes, int] | None = {}  # of the window before; None: it left the state
    before = 0
    for key, window in view.range(b"W", b"X"):
        number = int.from_bytes(key[1:], "big")
        if (window.state is WindowState.OPEN) != (number == head):
            yield f"window {number} is {window.state.name}, the open one is {head}"
        if number != before + 1:
            carries = None
        before = number
        if window.state is WindowState.OPEN:
            continue
        nets: dict[bytes, int] = defaultdict(int)
        for parties, obligation in view.range(b"Y" + key[1:], b"Y" + (number + 1).to_bytes(8, "big")):
            nets[parties[9:29]] -= obligation.value
            nets[parties[29:49]] += obligation.value
        positions = {
            who[9:]: position for who, position in view.range(b"N" + key[1:], b"N" + (number + 1).to_bytes(8, "big"))
        }
        legs = {p[9:]: leg for p, leg in view.range(b"E" + key[1:], b"E" + (number + 1).to_bytes(8, "big"))}
        for who in nets:
            if who not in positions:
                yield f"INV-6: window {number}: {text(who)} has obligations and no position"
        yield from _positions(number, positions, nets, carries)
        carries = {who: position.carry for who, position in positions.items()}
        if len(legs) > max(0, len(positions) - 1):
            yield f"INV-6: window {number}: {len(legs)} payments for {len(positions)} participants"
        paid: dict[bytes, int] = defaultdict(int)
        waits: dict[bytes, int] = defaultdict(int)  # of a payment that defaulted the payee waits no more (D11)
        for parties, leg in legs.items():
            paid[parties[:20]] -= leg.fen
            paid[parties[20:]] += leg.fen
            waits[parties[:20]] += leg.state not in CLOSED_LEGS
            waits[parties[20:]] += leg.state not in CLOSED_LEGS and not leg.defaulted
        for who, position in positions.items():
            if paid[who] != position.fen:
                yield f"INV-6: window {number}: payments of {text(who)} sum to {paid[who]}, its net is {position.fen}"
            if waits[who] != position.open_legs or position.released != (not waits[who]):
                yield f"window {number}: {text(who)} waits for {waits[who]} payments, {position.open_legs} counted"
        unconfirmed = sum(leg.state not in CLOSED_LEGS for leg in legs.values())
        if unconfirmed != window.open_legs:
            yield f"window {number}: {unconfirmed} legs not confirmed, {window.open_legs} counted"
    last = dict(carries or {})
    for key, carry in view.range(b"V", b"W"):
        if last.pop(key[1:], 0) != carry.value:
            yield f"INV-6: carry of {text(key[1:])} is {carry.value} uY, its last window left another"
    for who, value in last.items():
        if value:
            yield f"INV-6: {text(who)} was left a carry of {value} uY that is not in the state"


def _positions(
    number: int, positions: dict[bytes, Position], nets: dict[bytes, int], carries: dict[bytes, int] | None
) -> Iterator[str]:
    for who, p in positions.items():
        if abs(p.carry) >= UY_PER_FEN:
            yield f"INV-6: window {number}: carry of {text(who)} is {p.carry} uY"
        if carries is not None and p.carry_in != carries.get(who, 0):
            yield f"INV-6: window {number}: {text(who)} took in {p.carry_in} uY, was left another carry"
        if p.fen * UY_PER_FEN + p.carry != nets[who] + p.carry_in:
            yield f"INV-6: window {number}: {text(who)}: {p.fen} fen and {p.carry} uY, net {nets[who]} + {p.carry_in}"
    for name, total in (
        ("INV-5: nets", sum(nets.values())),
        ("INV-6: fen", sum(p.fen for p in positions.values())),
        ("INV-6: carries", sum(p.carry for p in positions.values())),
    ):
        if total:
            yield f"{name} of window {number} sum to {total}, not 0"


def _orders(view: View) -> Iterator[str]:
    """INV-8, and that the legs of an order are worth what it says."""
    for key, order in view.range(b"O", b"P"):
        name = f"order {key[21:].decode()} of {text(key[1:21])}"
        if isinstance(order, BatchOrder):
            continue
        if not isinstance(order, SpendOrder):
            if not 0 <= order.shortfall <= order.reversed <= order.units:
                yield f"INV-8: {name}: {order.reversed} of {order.units} units reversed, shortfall {order.shortfall}"
            continue
        if not 0 <= order.refunded <= order.value <= order.authorised:
            yield f"INV-8: {name}: refunded {order.refunded}, captured {order.value}, authorised {order.authorised}"
        paid, back = sum(leg.pay for leg in order.legs), sum(leg.refunded for leg in order.legs)
        if (paid, back) != (order.value * UY_PER_FEN, order.refunded * UY_PER_FEN):
            yield f"INV-8: {name}: legs pay {paid} and gave back {back} uY of {order.value} and {order.refunded} fen"
        for leg in order.legs:
            if leg.units * view.get(class_key(leg.class_id)).uv != leg.pay + leg.over:
                yield f"INV-8: {name}: {leg.units} units of {leg.class_id} are not {leg.pay} + {leg.over} uY"
        if view.get(merchant_key(key[1:21])) is None:
            yield f"{name}: no such merchant"


def _validators(view: View) -> Iterator[str]:
    """The register: enough members now and after every first part of the pending changes, none of them twice, leaders
    that are the members, no more changes than the others can carry."""
    of = register(view)
    for number in range(len(of.changes) + 1):
        yield from _seated(of, number)
    if sorted(of.leaders) != list(occupied(of.seats)):
        yield f"validators: leaders {of.leaders}, occupied seats {occupied(of.seats)}"
    if of.leaders[len(of.leaders) - len(of.blacklisted) :] != of.blacklisted:
        yield f"validators: blacklisted {of.blacklisted}, the last leaders are others: {of.leaders}"
    if len(changed(of)) > changes_max(of):
        yield f"validators: seats {changed(of)} have pending changes, limit {changes_max(of)}"
    if len(of.timeouts) > TIMEOUTS_MAX:
        yield f"validators: {len(of.timeouts)} timeouts, limit {TIMEOUTS_MAX}"


def _seated(of: Register, number: int) -> Iterator[str]:
    seats, addresses = applied(of, of.changes[:number])
    members = [member for member in seats if member is not None]
    when = f"validators after {number} of {len(of.changes)} changes"
    if not members_min(of) <= len(members) <= VALIDATORS_MAX or len(addresses) != len(seats):
        yield f"{when}: {len(members)} members, expected {members_min(of)} to {VALIDATORS_MAX}"
    certificates = [member.transport_certificate for member in members if member.transport_certificate]
    for values in ([m.name for m in members], [m.vote_key for m in members], certificates):
        if len(set(values)) != len(values):
            yield f"{when}: two members share a name, a voting key or a certificate"
