"""What people of a town would do next with points: acts whose fields fit each other and the state."""

from collections.abc import Callable
from random import Random
from typing import Any

from points.state import HoldState, IssueOrder, LegState, SpendOrder
from primitives import kinds
from primitives.address import encode_address
from primitives.keys import Address
from primitives.kinds import BatchOperations, PayCode, PaymentRequest
from tests.properties import town_people
from tests.properties.town import DAY, NO_SIGNATURE, Act, Town
from tests.properties.town_filling import (
    GIANT,
    a_class,
    amount,
    first,
    fresh,
    likely,
    merchant,
    name_address,
    tourist,
    worth,
)

Acting = Callable[[Town, Random], Act]


def issue(town: Town, dice: Random) -> Act:
    class_id, of = a_class(town, dice)
    sender = of.issuer if dice.random() < 0.97 else merchant(town, dice)
    units = amount(dice) * (10_000 if of.uv == 1 and dice.random() < 0.8 else 1)
    if town.giant and dice.random() < 0.5:
        units = dice.choice(GIANT)
    if of.kind == "RESTRICTED" and dice.random() < 0.8:
        return town_people.campaign_claim(town, dice)
    to = tourist(town, dice) if dice.random() < 0.5 else name_address(dice.choice("uvwt"))
    enrolled = [key[-20:] for key, _ in town.rows(b"u" + of.sandbox.encode() + b"\x00")] if of.sandbox else []
    if enrolled and dice.random() < 0.9:
        to = dice.choice(enrolled)
    cash = dice.choice([0, min(units * 5, 2**64 - 1)])
    return likely(town, dice, kinds.Issue, sender, class_id=class_id, to=to, units=units, cash_value=cash)


def reverse_issue(town: Town, dice: Random) -> Act:
    orders = _orders(town, IssueOrder)
    if not orders:
        return first(town, dice, issue, kinds.ReverseIssue)
    sender, order_id, order = dice.choice(orders)
    units = dice.choice([1, order.units, max(1, order.units - order.reversed), amount(dice)])
    return likely(town, dice, kinds.ReverseIssue, sender, order_id=order_id, units=units)


def redeem(town: Town, dice: Random) -> Act:
    payer, payee, static = tourist(town, dice), merchant(town, dice), dice.random() < 0.2
    value = worth(town, dice, payer)
    request = PaymentRequest(
        payee, None if static else fresh(dice, "o"), 0 if static else value,
        town.now + dice.choice([300] * 9 + [1, -1, 10**6]), _till(town, payee, dice), NO_SIGNATURE, static=static,
    )  # fmt: skip
    most = value if dice.random() < 0.9 else amount(dice)
    return likely(town, dice, kinds.Redeem, payer, request=request, max_value=most)


def redeem_by_token(town: Town, dice: Random) -> Act:
    escrows = [hold for _, hold in town.rows(b"H") if hold.code_key and hold.state is HoldState.OPEN]
    seq, value = dice.randint(0, 500), amount(dice)
    if escrows and dice.random() < 0.7:
        hold = dice.choice(escrows)
        value = dice.choice([1, hold.value, max(1, min(value, hold.value))])
        code = PayCode(hold.payer, hold.code_key, seq, value, hold.expires_at, NO_SIGNATURE, hold.merchant)
        return likely(town, dice, kinds.RedeemByToken, hold.merchant, pay_code=code, value=value)
    payer, payee = tourist(town, dice), merchant(town, dice)
    value = worth(town, dice, payer)
    key = (town.keys_for(payer, "owner", dice) or (bytes(32),))[0]
    most = max(value, 1) if dice.random() < 0.9 else amount(dice)
    expires = town.now + dice.choice([60, 60, 60, 60, 30, 1, 61, 0])
    code = PayCode(payer, key, seq, most, expires, NO_SIGNATURE, dice.choice([None, payee]))
    return likely(town, dice, kinds.RedeemByToken, payee, pay_code=code, value=value)


def authorize(town: Town, dice: Random) -> Act:
    payer = tourist(town, dice)
    return likely(town, dice, kinds.Authorize, payer, merchant=merchant(town, dice), value=worth(town, dice, payer))


def capture(town: Town, dice: Random) -> Act:
    hold_id, hold = _hold(town, dice)
    if hold is None:
        return first(town, dice, authorize, kinds.Capture)
    value = dice.choice([hold.value, 1, dice.randint(1, max(1, hold.value)), hold.value + 1])
    return likely(town, dice, kinds.Capture, hold.merchant, hold_id=hold_id, value=value)


def void(town: Town, dice: Random) -> Act:
    hold_id, hold = _hold(town, dice)
    if hold is None:
        return first(town, dice, authorize, kinds.Void)
    return likely(town, dice, kinds.Void, dice.choice([hold.merchant, hold.merchant, hold.payer]), hold_id=hold_id)


def refund(town: Town, dice: Random) -> Act:
    orders = _orders(town, SpendOrder)
    if not orders:
        return first(town, dice, redeem, kinds.Refund)
    sender, order_id, order = dice.choice(orders)
    left = max(1, order.value - order.refunded)
    value = dice.choice([left, 1, dice.randint(1, left), amount(dice)])
    return likely(town, dice, kinds.Refund, sender, order_id=order_id, value=value)


def exchange(town: Town, dice: Random) -> Act:
    sender, class_id, units = _owned(town, dice)
    others = [key[1:].decode() for key, of in town.rows(b"C") if of.exchangeable and key[1:].decode() != class_id]
    to = dice.choice(others) if others and dice.random() < 0.9 else class_id
    least = dice.choice([0, 0, 0, amount(dice)])
    return likely(town, dice, kinds.Exchange, sender, class_id=class_id, units=units, min_out=least, to_class=to)


def transfer(town: Town, dice: Random) -> Act:
    sender, class_id, units = _owned(town, dice, transferable=True)
    to = name_address(dice.choice("uvwtn"))
    return likely(town, dice, kinds.Transfer, sender, class_id=class_id, units=units, to=to)


def freeze(town: Town, dice: Random) -> Act:
    """Not for long, and rarely an office: somebody must be left to act."""
    target = tourist(town, dice) if dice.random() < 0.8 else dice.choice(town.accounts())
    until = town.now + dice.choice([1, 60, 3_600, DAY])
    return likely(town, dice, kinds.Freeze, target=target, until=until, reason=b"inquiry")


def unfreeze(town: Town, dice: Random) -> Act:
    frozen = [key[1:] for key, of in town.rows(b"A") if of.frozen]
    if not frozen:
        return freeze(town, dice)
    return likely(town, dice, kinds.Unfreeze, target=dice.choice(frozen))


def pause_class(town: Town, dice: Random) -> Act:
    return likely(town, dice, kinds.PauseClass, until=town.now + dice.choice([0, 1, 60, DAY]))


def leg(town: Town, dice: Random) -> Act:
    """The next thing that happens to a payment between banks."""
    if not town.rows(b"E"):
        return first(town, dice, window_close if town.rows(b"Y") else redeem, kinds.LegPaid)
    number, name, payer, payee, state = _leg(town, dice)
    sort = dice.random()
    if state is LegState.PAID:
        kind, side = (kinds.LegConfirm, payee) if sort < 0.7 else (kinds.LegDispute, payee)
    elif state is LegState.DISPUTED:
        kind, side = kinds.LegConfirm, payee
    elif state is LegState.CONFIRMED:
        kind, side = dice.choice([kinds.LegConfirm, kinds.LegPaid, kinds.LegDispute]), dice.choice([payer, payee])
    else:
        kind, side = (kinds.LegPaid, payer) if sort < 0.85 else (kinds.LegDispute, dice.choice([payer, payee]))
    return likely(town, dice, kind, side, window=number, leg=name)


def window_close(town: Town, dice: Random) -> Act:
    return likely(town, dice, kinds.WindowClose)


def _leg(town: Town, dice: Random) -> tuple[int, str, bytes, bytes, LegState]:
    rows = [row for row in town.rows(b"E") if row[1].state is not LegState.CONFIRMED]
    if not rows or dice.random() < 0.05:
        rows = town.rows(b"E") or rows
    if not rows:
        return 1, "nobody->nobody", name_address("A"), name_address("B"), LegState.DUE
    key, record = dice.choice(rows)
    payer, payee = key[9:29], key[29:49]
    return int.from_bytes(key[1:9], "big"), leg_name(payer, payee), payer, payee, record.state


def leg_name(payer: bytes, payee: bytes) -> str:
    """How people name a payment."""
    return f"{encode_address(Address(payer))}->{encode_address(Address(payee))}"


def batch(town: Town, dice: Random) -> Act:
    """Several operations of one sender."""
    one = dice.choice([issue, issue, redeem, exchange, transfer, capture, refund])(town, dice)
    bodies = [one.body]
    for _ in range(dice.randint(0, 3)):
        act = ACTS[dice.choice(["issue", "redeem", "exchange", "transfer", "refund", "void", "capture"])](town, dice)
        if act.sender == one.sender:
            bodies.append(act.body)
    if dice.random() < 0.3:
        bodies.append(dice.choice(bodies))
    return Act(one.sender, BatchOperations(tuple(bodies)), town.keys_for(one.sender, "owner", dice))  # type: ignore[arg-type]


def _till(town: Town, payee: bytes, dice: Random) -> bytes:
    """A key of the merchant that may ask for money; of A the desk's, for its owners sign together."""
    account = town.view.get(b"A" + payee)
    keys = [key.key for key in account.keys if key.role == "pos"] or [key.key for key in account.keys]
    return dice.choice(keys) if keys else bytes(32)


def _hold(town: Town, dice: Random) -> tuple[bytes, Any]:
    rows = town.rows(b"H")
    opened = [row for row in rows if row[1].state is HoldState.OPEN]
    if opened and dice.random() < 0.9:
        rows = opened
    key, hold = dice.choice(rows) if rows else (b"", None)
    return key[1:], hold


def _orders(town: Town, kind: type) -> list[tuple[bytes, str, Any]]:
    return [(key[1:21], key[21:].decode(), of) for key, of in town.rows(b"O") if isinstance(of, kind)]


def _owned(town: Town, dice: Random, transferable: bool = False) -> tuple[bytes, str, int]:
    """A holder, a class, and units of which most can be spent."""
    lots = [(key[1:], lot) for key, holdings in town.rows(b"L") for lot in holdings.lots if lot.avail]
    if transferable and dice.random() < 0.9:
        lots = [(who, lot) for who, lot in lots if town.view.get(b"C" + lot.class_id.encode()).transferable] or lots
    if not lots:
        return tourist(town, dice), "hA", amount(dice)
    who, lot = dice.choice(lots)
    return who, lot.class_id, dice.choice([1, lot.avail, dice.randint(1, lot.avail), lot.avail + 1])


ACTS: dict[str, Acting] = {
    act.__name__: act
    for act in (
        issue, reverse_issue, redeem, redeem_by_token, authorize, capture, void, refund, exchange, transfer, freeze,
        unfreeze, pause_class, batch,
    )
} | {"leg_paid": leg, "leg_confirm": leg, "leg_dispute": leg} | town_people.ACTS  # fmt: skip
