"""Acts and decisions of the younger rooms of a town: sandboxes, the emergency pause, errata, offices, risk alerts."""

from collections.abc import Callable
from random import Random
from typing import Any

from primitives.kinds_assets import Anchor
from primitives.kinds_errata import Credit, Debit, Debt, Errata, OrderOriginal, ReceiptOriginal
from primitives.kinds_offices import GrantOffice, RevokeOffice, SetMember
from primitives.kinds_risk import AlertAck
from primitives.kinds_sandbox import EmergencyPause, RatifyPause, SandboxClose, SandboxEnrol, SandboxOpen
from tests.properties.town import DAY, WEIGHTS, Act, Town
from tests.properties.town_filling import GIANT, fill, fresh, likely, name_address


def _sandbox(town: Town, dice: Random) -> tuple[str, bytes]:
    rows = town.rows(b"s")
    if not rows:
        return fresh(dice, "sb"), name_address(dice.choice("ABCD"))
    key, of = dice.choice(rows)
    return key[1:].decode(), of.merchant


def sandbox_open(town: Town, dice: Random) -> Any:
    """Mostly begun when the timelock is over."""
    starts = town.now + dice.choice([0, DAY, 2 * DAY])
    return fill(
        SandboxOpen, town, dice, sandbox=fresh(dice, "sb"), merchant=name_address(dice.choice("ABCD")),
        max_accounts=dice.choice([1, 3, 64]), max_value=10**12 if town.giant else dice.choice([50, 500]), starts=starts,
        ends=starts + dice.choice([2, 20, 90]) * DAY, loss_reserve=10**12 if town.giant else dice.choice([50, 500]),
        merchants=tuple(name_address(n) for n in dice.sample("ABCD", dice.randint(0, 2))),
        accounts=tuple(name_address(n) for n in dice.sample("uvwt", dice.randint(0, 3))),
    )  # fmt: skip


def sandbox_close(town: Town, dice: Random) -> Any:
    return SandboxClose(*_sandbox(town, dice))


def ratify_pause(town: Town, dice: Random) -> Any:
    return RatifyPause(town.now + dice.choice([0, 1, 2, 3]) * DAY + dice.choice([1, 3_600]))


def set_member(town: Town, dice: Random) -> Any:
    """Nobody weighs more than 40 %, or the decision is refused."""
    name = dice.choice([*WEIGHTS, *WEIGHTS, "x1", "x2", "n"])
    return SetMember(name_address(name), dice.choice([0, 10, 20, 25, 30]))


def grant_office(town: Town, dice: Random) -> Any:
    people = [key[1:] for key, of in town.rows(b"A") if not of.kind and not town.view.get(b"L" + key[1:])]
    account = dice.choice(people) if people else name_address("n")
    return GrantOffice(account, dice.choice(["operator", "regulator", "custodian", "attester", "auditor"]))


def revoke_office(town: Town, dice: Random) -> Any:
    bits = {1: "operator", 2: "regulator", 4: "custodian", 8: "attester", 32: "auditor"}
    rows = [(key[1:], bits[of.roles]) for key, of in town.rows(b"A") if of.roles in bits]
    account, office = dice.choice(rows)
    return RevokeOffice(account, office)  # type: ignore[arg-type]


def errata(town: Town, dice: Random) -> Any:
    """For an order in the state, or for a receipt whose proof somebody anchored."""
    orders = [(key[1:21], key[21:].decode(), of) for key, of in town.rows(b"O")]
    proofs = [key[8:] for key, _ in town.rows(b"ferrata\x00")]
    original: Any
    if proofs and (not orders or dice.random() < 0.4):
        original = ReceiptOriginal(dice.choice(proofs), dice.choice(proofs))
    elif orders:
        merchant, order_id, order = dice.choice(orders)
        original = OrderOriginal(merchant, order_id, order.tx)
    else:
        original = fill(OrderOriginal, town, dice)
    done = town.view.get(b"c" + original.tx)
    entries = tuple(_entry(town, dice) for _ in range(dice.choice([1, 1, 2])))
    return fill(
        Errata, town, dice, number=1 if done is None else done.number + dice.choice([0, 1, 1, 1]), original=original,
        entries=entries,
    )  # fmt: skip


def _entry(town: Town, dice: Random) -> Any:
    midnight = town.now - (town.now + 28_800) % DAY
    huge = town.giant and dice.random() < 0.5
    match dice.randrange(3):
        case 0:
            expires = midnight + dice.choice([1, 2, 3, 5, 30, 2_000]) * DAY
            units = dice.choice(GIANT) if huge else dice.randint(1, 40)
            return fill(Credit, town, dice, units=units, expires=expires)
        case 1:
            lots = [(key[1:], lot) for key, holdings in town.rows(b"L") for lot in holdings.lots if lot.avail]
            if lots:
                who, lot = dice.choice(lots)
                return Debit(who, lot.class_id, dice.choice([1, lot.avail]))
            return fill(Debit, town, dice)
        case _:
            debtor, creditor = (name_address(n) for n in dice.sample(["A", "B", "C", "D", "FUND"], 2))
            return Debt(debtor, creditor, dice.choice(GIANT if huge else (1, 10_000, 77_777, 500_000)))


def sandbox_enrol(town: Town, dice: Random) -> Act:
    name, merchant = _sandbox(town, dice)
    people = tuple(name_address(n) for n in dice.sample("uvwtn", dice.randint(1, 3)))
    return likely(town, dice, SandboxEnrol, merchant, sandbox=name, accounts=people)


def emergency_pause(town: Town, dice: Random) -> Act:
    """Mostly short, or nothing else would happen."""
    until = town.now + dice.choice([1, 60, 60, 3_600, 3 * DAY, 3 * DAY + 1])
    return likely(town, dice, EmergencyPause, until=until)


def alert_ack(town: Town, dice: Random) -> Act:
    rows = town.rows(b"x")
    if not rows:
        return likely(town, dice, AlertAck)
    rule, _, rest = dice.choice(rows)[0][1:].partition(b"\x00")
    fixed: dict[str, Any] = {"rule": rule.decode(), "subject": rest[:20], "other": rest[20:] or None}
    return likely(town, dice, AlertAck, **fixed)


BODIES: dict[str, Callable[[Town, Random], Any]] = {
    body.__name__: body
    for body in (sandbox_open, sandbox_close, ratify_pause, set_member, grant_office, revoke_office, errata)
}
def prepare(town: Town, dice: Random, action: str) -> Act | None:
    """What must come before an action is possible at all."""
    match action:
        case "ratify_pause":
            return likely(town, dice, EmergencyPause, until=town.now + 3 * DAY)
        case "errata" if not town.rows(b"O"):
            return likely(town, dice, Anchor, name_address("aud"), namespace="errata")
        case _:
            return None


ACTS: dict[str, Callable[[Town, Random], Act]] = {
    act.__name__: act for act in (sandbox_enrol, emergency_pause, alert_ack)
}
