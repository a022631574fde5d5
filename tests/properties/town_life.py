"""A town's next step out of one number: an act of a kind, nonsense, a repetition, several at once, or time.

Whoever calls draws the numbers (hypothesis, or a long run by seed); the same numbers give the same town.
"""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from msgspec.structs import replace

from points.state import LegState, WindowState
from points.transition import RULES
from primitives.kinds import AccountOpen, BatchOperations, LegConfirm, LegPaid, Operation, ReserveAttest
from tests.properties import town_acts, town_contests, town_council, town_people, town_rooms
from tests.properties.town import DAY, Act, Town
from tests.properties.town_acts import leg_name
from tests.properties.town_filling import fill, likely

_TAGS: dict[str, type] = {str(kind.__struct_config__.tag): kind for kind in Operation.__args__}
ACTS: dict[str, Callable[[Town, Random], Act]] = (
    town_acts.ACTS | town_council.ACTS | town_rooms.ACTS | town_contests.ACTS
)
KINDS = tuple(sorted({*_TAGS, "batch"}))
ACTIONS = tuple(sorted(town_council.PAYLOADS))
EVERYDAY = (
    "issue", "issue", "issue", "redeem", "redeem", "redeem_by_token", "authorize", "capture", "refund", "exchange",
    "transfer", "leg_paid", "leg_confirm",
)  # fmt: skip


def an_act(town: Town, dice: Random, kind: str) -> Act:
    """Of this kind; one in twelve is nonsense in a field, or by somebody who may not."""
    found = ACTS.get(kind)
    act = found(town, dice) if found is not None else likely(town, dice, _TAGS[kind])
    if dice.random() > 0.08 or isinstance(act.body, BatchOperations):
        return act
    match dice.randrange(3):
        case 0:
            body: Any = fill(type(act.body), town, dice)
            return act._replace(body=body)
        case 1:
            who = dice.choice(town.accounts())
            return act._replace(sender=who, keys=town.keys_for(who, "owner", dice))
        case _:
            names = list(act.body.__struct_fields__)
            if not names:
                return act
            name = dice.choice(names)
            return act._replace(body=replace(act.body, **{name: getattr(fill(type(act.body), town, dice), name)}))


def step(town: Town, number: int, kind: str) -> str:
    """One act of this kind, with time standing still; its code."""
    dice = Random(number)
    return town.attempt(an_act(town, dice, kind))


def again(town: Town, number: int) -> str:
    """Something that was done is asked for once more, or by other fields under the same name."""
    dice = Random(number)
    if not town.past:
        return ""
    act = dice.choice(town.past[-12:] if dice.random() < 0.7 else town.past)
    return town.attempt(act._replace(keys=town.keys_for(act.sender, "owner", dice)))


def crowd(town: Town, number: int) -> list[str]:
    """Several in one block, chosen by what they see before it."""
    dice = Random(number)
    kinds = [dice.choice(EVERYDAY if dice.random() < 0.7 else KINDS) for _ in range(dice.randint(2, 6))]
    return town.together([an_act(town, dice, kind) for kind in kinds])


def wait(town: Town, number: int) -> None:
    """A little, to the edge of something that is due, or long."""
    dice = Random(number)
    sort = dice.random()
    if sort < 0.3:
        town.move(town.now + dice.choice([1, 1, 59, 60, 3_600]), dice)
    elif sort < 0.7:
        due = sorted(at for at in _dues(town) if at >= town.now)[:4]
        town.move(max(town.now, (dice.choice(due) if due else town.now) + dice.choice([-1, 0, 0, 0, 1])), dice)
    elif sort < 0.9:
        midnight = town.now - (town.now + 28_800) % DAY + DAY
        town.move(midnight + dice.choice([-1, 0, 7_199, 7_200]), dice)
    else:
        town.move(town.now + dice.choice([DAY, 3 * DAY, 3 * DAY, 8 * DAY, 31 * DAY]), dice)


def _dues(town: Town) -> list[int]:
    """Seconds at which something in the state falls due."""
    found = [int.from_bytes(key[1:9], "big") for prefix in (b"T", b"G", b"X", b"k") for key, _ in town.rows(prefix)]
    found += [recovery.ready_at for _, record in town.rows(b"d") for recovery in record.open]
    found += [of.ends for _, of in town.rows(b"a")] + [of.starts for _, of in town.rows(b"a")]
    return [at for at in found if at < town.now + 400 * DAY]


def decide(town: Town, number: int, action: str) -> str:
    """The committee decides, all at once."""
    return town_council.decide(town, Random(number), action)


def recover(town: Town, number: int) -> str:
    """An account gets new keys, all the way."""
    return town_people.recover(town, Random(number))


def settle(town: Town, number: int) -> None:
    """Every payment that banks still owe each other is made and confirmed, where nobody is frozen."""
    dice = Random(number)
    for key, record in town.rows(b"E"):
        payer, payee, window = key[9:29], key[29:49], int.from_bytes(key[1:9], "big")
        state = record.state
        if state in (LegState.DUE, LegState.DEFAULTED):
            town.attempt(likely(town, dice, LegPaid, payer, window=window, leg=leg_name(payer, payee)))
        if state is not LegState.CONFIRMED:
            town.attempt(likely(town, dice, LegConfirm, payee, window=window, leg=leg_name(payer, payee)))


LASTING = b"ALMBCKpwrvjVmtyzo"  # accounts, shops with their figures, classes, offices: as many as people and shops are
DAYS_OF_SUNSET = 1_130  # the longest life of points, 1,095 days, and a grace or the memory of an order


def sunset(town: Town, number: int) -> None:
    """Nobody does anything any more: what stands in the state leaves it, but for what never grows."""
    dice = Random(number)
    for jump in (1, 3, 3, 31, 31, 90, DAYS_OF_SUNSET, 400, 366, 1, 1):
        settle(town, number)
        town.move(town.now + jump * DAY, dice)
    for _ in range(12):  # what leaves is bounded per block
        town.move(town.now + 1, dice)
    patient = town.now - 800 * DAY  # after two years what nobody confirmed is written off
    rows = [(key[1:9], of) for key, of in town.rows(b"W") if of.state is not WindowState.SETTLED]
    unsettled = {number for number, of in rows if not 0 < of.closed < patient}
    young = {key[1:9] for key, of in town.rows(b"W") if of.closed > town.now - 62 * DAY}
    left = [key for key, of in town.view.records.items() if not _lasts(key, of, unsettled | young)]
    assert left == [], f"still in the state: {left[:9]}"


def _lasts(key: bytes, record: Any, windows: set[bytes]) -> bool:
    """Whether a record may stand in the state of a town that sleeps."""
    match key[:1]:
        case b"W" | b"Y" | b"N" | b"E" | b"X":
            return key[1:9] in windows
        case b"l":
            return key[1:2] in b"fblwt"
        case b"k":
            return key[9:10] == b"a"  # of an applicant for whom a reserve is attested
        case b"e":
            return bool(record.locked)  # until the regulator has decided
        case b"x" | b"P":
            return True  # what still holds is told; lists of what leaves, of the last days
        case first:
            return first in LASTING


def universe() -> list[str]:
    """Every kind and every action of governance; each can be carried out."""
    known = {*RULES, AccountOpen, ReserveAttest}
    return sorted({tag for tag, kind in _TAGS.items() if kind in known} | {"batch", *ACTIONS})


def carried_out(reached: Mapping[tuple[str, str], int], name: str) -> bool:
    """Whether it has succeeded: OK, or for an action EXECUTED."""
    return (name, "EXECUTED" if name in ACTIONS and name not in _TAGS else "OK") in reached

