"""Windows: closing, netting with a carry of less than a fen, legs that banks pay (2.9, D11). Defaults: waterfall.py.

window_close: ACCOUNT_FROZEN, NOT_AUTHORISED (no operator). leg_paid, leg_confirm, leg_dispute: ACCOUNT_FROZEN,
NOT_AUTHORISED, MEMO_* (reason), WINDOW_UNKNOWN, WINDOW_STATE (still open), LEG_UNKNOWN, NOT_PARTY, LEG_STATE.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from points.authority import acts_for
from points.clearing import book, owe
from points.days import DAY_SECONDS
from points.keys import HEAD_KEY, carry_key, due_window_key, leg_key, merchant_key, position_key, window_key
from points.late_money import add_money, money_arrived
from points.memo import check_memo, memo_field
from points.state import (
    FUND,
    UY_PER_FEN,
    Carry,
    Due,
    Head,
    Leg,
    LegState,
    Merchant,
    MerchantStatus,
    Position,
    Window,
    WindowState,
)
from points.turn import Fields, Turn
from primitives.address import decode_address
from primitives.codec import Malformed
from primitives.codes import Code
from primitives.keys import Address
from primitives.kinds import LegConfirm, LegDispute, LegPaid, WindowClose
from primitives.receipt import Event


def round_nets(nets: Mapping[bytes, int]) -> dict[bytes, tuple[int, int]]:
    """(fen, carry uY) of each participant, so that both sum to 0 when the nets do (INV-6).

    Largest remainders are rounded up, ties to the lower address.
    """
    floors = {who: divmod(net, UY_PER_FEN) for who, net in nets.items()}
    missing = -sum(fen for fen, _ in floors.values())
    upward = sorted(floors, key=lambda who: (-floors[who][1], who))[:missing]
    rounded = {who: (fen, rest) for who, (fen, rest) in floors.items()}
    for who in upward:
        fen, rest = floors[who]
        rounded[who] = (fen + 1, rest - UY_PER_FEN)
    return rounded


def match_legs(fen: Mapping[bytes, int]) -> list[tuple[bytes, bytes, int]]:
    """Payments (from, to, fen) that settle the sums: greedy over debtors and creditors by (amount descending, address).

    At most participants - 1 payments; the same on every node.
    """
    debtors = sorted(((-amount, who) for who, amount in fen.items() if amount < 0), key=lambda d: (-d[0], d[1]))
    creditors = sorted(((amount, who) for who, amount in fen.items() if amount > 0), key=lambda c: (-c[0], c[1]))
    legs = []
    creditor, open_claim = 0, creditors[0][0] if creditors else 0
    for debt, debtor in debtors:
        while debt:
            amount = min(debt, open_claim)
            legs.append((debtor, creditors[creditor][1], amount))
            debt -= amount
            open_claim -= amount
            if not open_claim and creditor + 1 < len(creditors):
                creditor += 1
                open_claim = creditors[creditor][0]
    return legs


def close_window(turn: Turn) -> None:
    """Fix the open window, net it, write its payments, and open the next one."""
    window = turn.window
    number = window.to_bytes(8, "big")
    following = (window + 1).to_bytes(8, "big")
    _end_carries(turn)
    gross: dict[bytes, int] = {}
    nets: dict[bytes, int] = {}
    for key, obligation in turn.draft.range(b"Y" + number, b"Y" + following):
        debtor, creditor = key[9:29], key[29:49]
        gross[debtor] = gross.get(debtor, 0) + obligation.value
        nets[debtor] = nets.get(debtor, 0) - obligation.value
        nets[creditor] = nets.get(creditor, 0) + obligation.value
    gross[FUND] = 0
    carries = {key[1:]: carry.value for key, carry in turn.draft.range(b"V", b"W")}
    for who, carry in carries.items():
        nets[who] = nets.get(who, 0) + carry
    rounded = round_nets(nets)
    legs = match_legs({who: fen for who, (fen, _) in rounded.items()})
    opened: Window = turn.get(window_key(window))
    state = WindowState.INSTRUCTED if legs else WindowState.SETTLED
    turn.put(window_key(window), Window(state, opened.opened, turn.time, len(legs)))
    turn.put(window_key(window + 1), Window(WindowState.OPEN, turn.time, 0, 0))
    turn.put(HEAD_KEY, Head(window + 1))
    turn.enter_window(window + 1)
    fields = (("window", window), ("participants", len(nets)), ("legs", len(legs)))
    turn.events.append(Event("WindowClosed", fields))
    open_legs: dict[bytes, int] = {}
    for payer, payee, _ in legs:
        open_legs[payer] = open_legs.get(payer, 0) + 1
        open_legs[payee] = open_legs.get(payee, 0) + 1
    for who in sorted(nets):
        fen, carry = rounded[who]
        turn.put(carry_key(who), Carry(carry) if carry else None)
        position = Position(fen, carries.get(who, 0), carry, gross.get(who, 0), open_legs.get(who, 0), False)
        _put_position(turn, window, who, position)
    for payer, payee, fen in legs:
        turn.put(leg_key(window, payer, payee), Leg(fen, LegState.DUE))
        add_money(turn, committed=fen if payer == FUND else 0)
        accounts = (("from", payer), ("to", payee))
        turn.events.append(Event("InstructionCreated", (("window", window), ("fen", fen)), accounts))
    if legs:
        turn.put(due_window_key(turn.time + turn.params.settle_days * DAY_SECONDS, window), Due())
    else:
        turn.events.append(Event("Settled", (("window", window),)))


def _end_carries(turn: Turn) -> None:
    """What a merchant that has left still carries, less than a fen, goes to FUND: nobody pays or waits for it again."""
    for key, carry in list(turn.draft.range(b"V", b"W")):
        who = key[1:]
        merchant: Merchant | None = turn.get(merchant_key(who))
        if merchant is None or merchant.status is not MerchantStatus.EXITED:
            continue
        debtor, creditor = (who, FUND) if carry.value > 0 else (FUND, who)
        value = owe(turn, debtor, creditor, abs(carry.value))
        book(turn, debtor, payable=value)  # released with its position, a few lines on
        fields = (("window", turn.window), ("value", value))
        turn.events.append(Event("ObligationAdded", fields, (("debtor", debtor), ("creditor", creditor))))


def _put_position(turn: Turn, window: int, who: bytes, position: Position) -> None:
    """Write a position; without open legs its gross payable stops counting against the cap (D11, D12)."""
    if not position.open_legs and not position.released:
        position = replace(position, released=True)
        book(turn, who, payable=-position.payable)
    turn.put(position_key(window, who), position)


def leg_closed(turn: Turn, window: int, who: bytes) -> None:
    """One leg less for which this participant waits or is waited for."""
    position: Position = turn.get(position_key(window, who))
    _put_position(turn, window, who, replace(position, open_legs=position.open_legs - 1))


def apply_window_close(turn: Turn, _body: WindowClose) -> Code:
    """An operator closes the open window now; later payments of the block go to the next one (D10)."""
    close_window(turn)
    return Code.OK


def apply_leg(turn: Turn, body: LegPaid | LegConfirm | LegDispute) -> Code:
    """A payer says paid, a payee says received, either says that a payment said to be made is in dispute."""
    if isinstance(body, LegDispute):
        code = check_memo(body.reason)
        if code:
            return code
    window: Window | None = turn.get(window_key(body.window)) if body.window else None
    if window is None:
        return Code.WINDOW_UNKNOWN
    if window.state is WindowState.OPEN:
        return turn.refuse(Code.WINDOW_STATE, window.state.name)
    parties = leg_parties(body.leg)
    leg: Leg | None = turn.get(leg_key(body.window, *parties)) if parties is not None else None
    if leg is None or parties is None:
        return Code.LEG_UNKNOWN
    payer, payee = parties
    sources: tuple[LegState, ...]
    match body:
        case LegPaid():
            allowed, sources = acts_for(turn, payer), (LegState.DUE, LegState.DEFAULTED)
            changed = replace(leg, state=LegState.PAID, bank_ref=body.bank_ref_hash)
        case LegConfirm():
            allowed, sources = acts_for(turn, payee), (LegState.PAID, LegState.DISPUTED, LegState.DEFAULTED)
            changed = replace(leg, state=LegState.CONFIRMED)
        case LegDispute():
            allowed, sources = acts_for(turn, payer) or acts_for(turn, payee), (LegState.PAID,)
            changed = replace(leg, state=LegState.DISPUTED)
    if not allowed:
        return Code.NOT_PARTY
    if leg.state not in sources:
        return turn.refuse(Code.LEG_STATE, leg.state.name)
    reason = memo_field(body.reason) if isinstance(body, LegDispute) else ()
    change_leg(turn, body.window, (payer, payee), changed, reason)
    if changed.state is LegState.CONFIRMED:
        _confirm(turn, body.window, window, payer, payee, leg)
    return Code.OK


def leg_parties(name: str) -> tuple[Address, Address] | None:
    """(payer, payee) of a leg's name, "<from>-><to>" in bech32m; None for any other text."""
    payer, arrow, payee = name.partition("->")
    try:
        return (decode_address(payer), decode_address(payee)) if arrow else None
    except Malformed:
        return None


def change_leg(turn: Turn, window: int, parties: tuple[bytes, bytes], leg: Leg, reason: Fields = ()) -> None:
    """Write a leg and tell it."""
    payer, payee = parties
    turn.put(leg_key(window, payer, payee), leg)
    fields: Fields = (
        ("window", window), ("state", leg.state.name), ("fen", leg.fen), ("drawn", leg.drawn),
        ("advanced", leg.advanced), *reason,
    )  # fmt: skip
    hashes = (("bank_ref", leg.bank_ref),) if leg.bank_ref else ()
    turn.events.append(Event("LegChanged", fields, (("from", payer), ("to", payee)), hashes))


def _confirm(turn: Turn, number: int, window: Window, payer: bytes, payee: bytes, before: Leg) -> None:
    """The money arrived: payer and payee have one leg less open, the window too."""
    leg_closed(turn, number, payer)
    if not before.defaulted:  # at default the payee's side was closed already
        leg_closed(turn, number, payee)
    money_arrived(turn, number, payer, payee, before)
    left = window.open_legs - 1
    state = window.state if left else WindowState.SETTLED
    turn.put(window_key(number), replace(window, open_legs=left, state=state))
    if not left:
        turn.events.append(Event("Settled", (("window", number),)))
