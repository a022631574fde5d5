"""Defaults at T+2: who bears what a participant did not pay (2.9, D11). The parameter `waterfall` says how far it goes.

First the payer's reserve, over all its legs in proportion; then (1) what the fund has, over all that is left of legs
between merchants; then (2) the creditors of the window together, each in proportion to its claim on the window, but
nobody more than `loss_share_bps` of its claim: else an issuer and a shop that it favours would let the others pay for
points that were never earned. What is beyond stays with those who took the points. The
payments between banks stay as instructed: whoever bears more than its leg lost owes the difference to those who lost
more, in the window open now. So INV-5 and INV-6 hold as for any other obligation. A fund that does not pay its own
legs is a matter for its custodian: such a leg defaults, and its creditor waits.
"""

from collections.abc import Iterator, Mapping
from typing import Final, TypeVar

from msgspec.structs import replace

from points.clearing_records import Help, Loss
from points.days import DAY_SECONDS
from points.keys import due_window_key, help_key, loss_key, merchant_key, window_key
from points.late_money import add_money, can_owe, fund_available, owe_fen
from points.settlement import change_leg, leg_closed, match_legs
from points.state import BPS, FUND, Due, Leg, LegState, Merchant, MerchantStatus, Position, Window, WindowState
from points.turn import Turn
from primitives.receipt import Event

WRITE_OFF_SECONDS: Final = 730 * DAY_SECONDS  # from the close of a window
FUND_PAYS: Final = 1  # from this value of the parameter on
CREDITORS_SHARE: Final = 2

Parties = tuple[bytes, bytes]  # payer, payee
K = TypeVar("K", bytes, tuple[bytes, bytes])


def split(total: int, weights: Mapping[K, int]) -> dict[K, int]:
    """`total` in proportion to the weights: floors, then one more for the largest remainders, ties to the lower key.

    Nobody gets more than its weight while total <= sum of the weights.
    """
    whole = sum(weights.values())
    if not whole:
        return dict.fromkeys(weights, 0)
    parts = {who: divmod(total * weight, whole) for who, weight in weights.items()}
    missing = total - sum(part for part, _ in parts.values())
    upward = set(sorted(parts, key=lambda who: (-parts[who][1], who))[:missing])
    return {who: part + (who in upward) for who, (part, _) in parts.items()}


def window_due(turn: Turn, number: int) -> None:
    """T+2 of a window; and what nobody confirmed long after it is written off, so that the window can leave."""
    window: Window | None = turn.get(window_key(number))
    if window is None or window.state is WindowState.SETTLED:
        return
    last = window.closed + WRITE_OFF_SECONDS
    if turn.time >= last:
        _write_off(turn, number, window)
    else:
        _default(turn, number)
        turn.put(due_window_key(last, number), Due())


def _write_off(turn: Turn, number: int, window: Window) -> None:
    """Its open payments count no more, neither against a cap nor as a claim; nothing is booked for them."""
    for key, record in list(_legs(turn, number)):
        leg: Leg = record
        if leg.state is LegState.CONFIRMED:
            continue
        parties = (key[9:29], key[29:49])
        change_leg(turn, number, parties, replace(leg, state=LegState.WRITTEN_OFF))
        leg_closed(turn, number, parties[0])
        if not leg.defaulted:  # at default the payee's side was closed already
            leg_closed(turn, number, parties[1])
    turn.put(window_key(number), replace(window, open_legs=0, state=WindowState.SETTLED))
    turn.events.append(Event("Settled", (("window", number),)))


def _legs(turn: Turn, number: int) -> Iterator[tuple[bytes, Leg]]:
    return turn.draft.range(b"E" + number.to_bytes(8, "big"), b"E" + (number + 1).to_bytes(8, "big"))


def _default(turn: Turn, number: int) -> None:
    """A leg still DUE defaults its payer, a PAID one that nobody confirmed is disputed (D11)."""
    due: dict[Parties, int] = {}
    for key, leg in list(_legs(turn, number)):
        parties = (key[9:29], key[29:49])
        if leg.state is LegState.PAID:
            change_leg(turn, number, parties, replace(leg, state=LegState.DISPUTED))
        elif leg.state is LegState.DUE:
            due[parties] = leg.fen
    if not due:
        return
    drawn = _draw_reserves(turn, due)
    advanced = _advance(turn, {pair: fen - drawn[pair] for pair, fen in due.items() if FUND not in pair})
    losses: dict[bytes, int] = {}
    for pair, fen in due.items():
        got, lent = drawn[pair], advanced.get(pair, 0)
        change_leg(turn, number, pair, Leg(fen, LegState.DEFAULTED, drawn=got, defaulted=True, advanced=lent))
        leg_closed(turn, number, pair[1])
        left = fen - got - lent
        fields = (("window", number), ("fen", fen), ("drawn", got), ("advanced", lent), ("shortfall", left))
        turn.events.append(Event("Defaulted", fields, (("from", pair[0]), ("to", pair[1]))))
        if FUND not in pair:
            losses[pair[1]] = losses.get(pair[1], 0) + left
    window: Window = turn.get(window_key(number))
    turn.put(window_key(number), replace(window, state=WindowState.DEFAULTED))
    if turn.params.waterfall >= CREDITORS_SHARE:
        _share(turn, number, losses)


def _draw_reserves(turn: Turn, due: Mapping[Parties, int]) -> dict[Parties, int]:
    """Fen that the reserve of each payer gives for each of its legs."""
    drawn: dict[Parties, int] = {}
    for payer in sorted({pair[0] for pair in due}):
        own = {pair: fen for pair, fen in due.items() if pair[0] == payer}
        drawn |= split(_draw_reserve(turn, payer, sum(own.values())), own)
    add_money(turn, received=sum(fen for pair, fen in drawn.items() if pair[1] == FUND))
    return drawn


def _draw_reserve(turn: Turn, payer: bytes, fen: int) -> int:
    """Suspend the payer and take what its reserve has."""
    merchant: Merchant | None = turn.get(merchant_key(payer))
    if merchant is None:  # FUND: it has neither status nor reserve
        return 0
    drawn = min(merchant.reserve, fen)
    status = merchant.status if merchant.status is MerchantStatus.EXITED else MerchantStatus.SUSPENDED
    left = replace(merchant, status=status, reserve=merchant.reserve - drawn)
    turn.put(merchant_key(payer), left)
    accounts = (("merchant", payer),)
    if merchant.status is not status:
        turn.events.append(Event("MerchantStatus", (("status", left.status.name),), accounts))
    if drawn:
        fields = (("amount", left.reserve), ("before", merchant.reserve), ("as_of", merchant.attested))
        turn.events.append(Event("ReserveChanged", fields, accounts))
    return drawn


def _advance(turn: Turn, left: Mapping[Parties, int]) -> dict[Parties, int]:
    """Fen that the fund gives for each leg, from what it had before this default and as far as that goes."""
    if turn.params.waterfall < FUND_PAYS:
        return {}
    spent = min(fund_available(turn), sum(left.values()))
    add_money(turn, advanced=spent)
    return split(spent, left)


def _share(turn: Turn, number: int, losses: Mapping[bytes, int]) -> None:
    """Spread the losses over all creditors of the window by their claims; who bears too little helps the others.

    What the helpers give within their bound is split by what the others lack. Help that the helper's books have no room
    for is left out: time must not fail.
    """
    claims: dict[bytes, int] = {}
    start, stop = b"N" + number.to_bytes(8, "big"), b"N" + (number + 1).to_bytes(8, "big")
    for key, record in turn.draft.range(start, stop):
        position: Position = record
        if position.fen > 0 and key[9:] != FUND:
            claims[key[9:]] = position.fen
    nets = {who: losses.get(who, 0) - share for who, share in split(sum(losses.values()), claims).items()}
    gives = {
        who: min(-net, claims[who] * turn.params.loss_share_bps // BPS) for who, net in nets.items() if net < 0
    }
    takes = split(sum(gives.values()), {who: net for who, net in nets.items() if net > 0})
    helped = match_legs(takes | {who: -fen for who, fen in gives.items()})
    for helper, payee, fen in helped:
        if not can_owe(turn, helper, fen):
            continue
        turn.put(loss_key(number, payee), Loss(losses[payee]))
        turn.put(help_key(number, payee, helper), Help(fen, turn.window))
        owe_fen(turn, helper, payee, fen, "loss_share", number)
