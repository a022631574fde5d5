"""What the daily cut looks at, in the books of the day before: O(merchants + pairs that owe each other) (2.7).

Each rule compares one figure with one parameter; 0 turns it off. The unit of an alert's value and limit:
SPIKE fen issued; the limit is `alert_spike_bps` of the daily average of the days before. CIRCULAR fen that flowed back
from B to A while points of A were spent at B; goods sent back count too. WASH fen that a merchant issued or was paid in
its own points and took back. These three only where the figure reaches `alert_least`. NEAR_CAP, OVER_CAP fen of points
outstanding and debts (INV-7). STALE days since the reserve was attested. CONCENTRATION bps of all points outstanding,
once these reach `alert_least`. Beside the cut: NEAR_CAP in the issue that crosses it (issuing.py), ACCOUNTS opened for
a sponsor in the opening that reaches it (accounts.py).
"""

from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from points.alerts import NO_WATCH, raise_alert
from points.days import DAY_SECONDS
from points.issuing import cap_of
from points.keys import WATCH_KEY, books_key, pulse_key
from points.risk_records import Pulse, Watch
from points.state import BPS, FUND, NO_BOOKS, UY_PER_FEN, Books, Merchant, MerchantStatus
from points.turn import Turn
from primitives.codec import U64_MAX

PAIRS_MOST: Final = 32  # told per day, the largest flows first: many small ones cannot flood the inbox
AVERAGE_DAYS: Final = 7  # the weight of the days before in a merchant's average
NO_PULSE: Final = Pulse()


def examine(turn: Turn) -> None:
    """Once per daily cut, after the window was closed and defaults were told. Total."""
    everybody = [(key[1:], merchant) for key, merchant in turn.draft.range(b"M", b"N")]
    total = 0
    for address, merchant in everybody:
        books: Books = turn.get(books_key(address)) or NO_BOOKS
        total += books.outstanding
        _examine_flows(turn, address, books)
        _examine_cover(turn, address, merchant, books)
    _examine_shares(turn, [address for address, _ in everybody], total)
    _examine_pairs(turn)


def _examine_flows(turn: Turn, address: bytes, books: Books) -> None:
    """What the merchant issued and took back since the last cut, beside what it issues on other days."""
    pulse: Pulse = turn.get(pulse_key(address)) or NO_PULSE
    params = turn.params
    issued, back = books.issued - pulse.issued, books.revoked + books.self_refunded - pulse.revoked
    least = params.alert_least * UY_PER_FEN
    spike = pulse.average * params.alert_spike_bps // BPS
    if params.alert_spike_bps and issued and issued >= max(least, spike):
        raise_alert(turn, "SPIKE", address, issued // UY_PER_FEN, spike // UY_PER_FEN)
    wash = issued * params.alert_wash_bps // BPS
    if params.alert_wash_bps and back and back >= max(least, wash):
        raise_alert(turn, "WASH", address, back // UY_PER_FEN, wash // UY_PER_FEN)
    average = (pulse.average * (AVERAGE_DAYS - 1) + issued) // AVERAGE_DAYS
    following = Pulse(books.issued, min(books.revoked + books.self_refunded, U64_MAX), average)
    if following != pulse:
        turn.put(pulse_key(address), following)


def _examine_cover(turn: Turn, address: bytes, merchant: Merchant, books: Books) -> None:
    """Whether its reserve covers what it has promised, and whether anybody still says that it is there."""
    params = turn.params
    used, cap = books.outstanding + books.payable, cap_of(turn, merchant)
    if params.alert_over_bps and used * BPS > cap * params.alert_over_bps:
        raise_alert(turn, "OVER_CAP", address, used // UY_PER_FEN, cap * params.alert_over_bps // BPS // UY_PER_FEN)
    elif params.alert_cap_bps and used and used * BPS >= cap * params.alert_cap_bps:
        raise_alert(turn, "NEAR_CAP", address, used // UY_PER_FEN, cap * params.alert_cap_bps // BPS // UY_PER_FEN)
    age = turn.time - merchant.attested
    vouched = merchant.reserve > 0 and merchant.status is not MerchantStatus.EXITED
    if params.alert_stale_days and vouched and age > params.alert_stale_days * DAY_SECONDS:
        raise_alert(turn, "STALE", address, age // DAY_SECONDS, params.alert_stale_days)


def _examine_shares(turn: Turn, merchants: list[bytes], total: int) -> None:
    """Whether one issuer's points are most of all there are."""
    params = turn.params
    if not params.alert_concentration_bps or not total or total < params.alert_least * UY_PER_FEN:
        return
    for address in merchants:
        books: Books = turn.get(books_key(address)) or NO_BOOKS
        if books.outstanding * BPS > total * params.alert_concentration_bps:
            share = books.outstanding * BPS // total
            raise_alert(turn, "CONCENTRATION", address, share, params.alert_concentration_bps)


def _examine_pairs(turn: Turn) -> None:
    """Flows that come back: points of A spent at B, and of B at A, nearly as much of the one as of the other."""
    watch: Watch = turn.get(WATCH_KEY) or NO_WATCH
    params = turn.params
    if params.alert_circular_bps:
        flows: dict[tuple[bytes, bytes], int] = {}
        for pair, value in _obligations(turn, watch.window):
            flows[pair] = flows.get(pair, 0) + value
        found = []
        for (debtor, creditor), there in flows.items():
            back = flows.get((creditor, debtor), 0)
            if (back, debtor) < (there, creditor):  # each pair once, from the side that owes more
                line = there * params.alert_circular_bps // BPS
                if back and back >= max(params.alert_least * UY_PER_FEN, line):
                    found.append((-back, min(debtor, creditor), max(debtor, creditor), line))
        for owed, subject, other, line in sorted(found)[:PAIRS_MOST]:
            raise_alert(turn, "CIRCULAR", subject, -owed // UY_PER_FEN, line // UY_PER_FEN, other)
    watch = turn.get(WATCH_KEY) or NO_WATCH
    turn.put(WATCH_KEY, replace(watch, window=turn.window))


def _obligations(turn: Turn, first: int) -> Iterator[tuple[tuple[bytes, bytes], int]]:
    """(debtor, creditor) and uY of the windows from `first` on that are closed, without the fund."""
    start, stop = b"Y" + first.to_bytes(8, "big"), b"Y" + turn.window.to_bytes(8, "big")
    for key, obligation in turn.draft.range(start, stop):
        debtor, creditor = key[9:29], key[29:49]
        if FUND not in (debtor, creditor):
            yield (debtor, creditor), obligation.value
