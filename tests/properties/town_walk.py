"""A long life of a town as a plain list of steps, so that it can be kept, cut short, and played again.

Hypothesis finds short sequences; what needs hundreds of steps (records that leave, windows that default, epochs) is
found here. A failing walk is shrunk by leaving steps out; what is left goes into test_town_bugs.py.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from tests.properties import town_life
from tests.properties.town import Town

Step = tuple[Any, ...]  # (name, number) or (name, number, kind)
STEPS: dict[str, Callable[..., Any]] = {
    "step": town_life.step, "again": town_life.again, "crowd": town_life.crowd, "wait": town_life.wait,
    "decide": town_life.decide, "recover": town_life.recover, "settle": town_life.settle, "sunset": town_life.sunset,
}  # fmt: skip


def plan(seed: int, length: int) -> list[Step]:
    """What happens in the walk of this seed; every walk ends with a sleep of years."""
    dice = Random(seed)
    eager, found = dice.choice([0.02, 0.06, 0.12]), []  # how often time moves
    for _ in range(length):
        sort, number = dice.random(), dice.getrandbits(48)
        if sort < eager:
            found.append(("wait", number))
        elif sort < eager + 0.04:
            found.append(("decide", number, dice.choice(town_life.ACTIONS)))
        elif sort < eager + 0.06:
            found.append(("settle", number))
        elif sort < eager + 0.07:
            found.append(("recover", number))
        elif sort < eager + 0.10:
            found.append(("again", number))
        elif sort < eager + 0.14:
            found.append(("crowd", number))
        else:
            found.append(("step", number, dice.choice(town_life.EVERYDAY if sort < 0.6 else town_life.KINDS)))
    return [*found, ("sunset", seed)]


def play(seed: int, steps: Sequence[Step]) -> Town:
    """The town of this seed after these steps. Raises whatever a law, or a rule, objects to."""
    town = Town(seed)
    for name, *arguments in steps:
        STEPS[name](town, *arguments)
    town.replay()
    return town


def fails(seed: int, steps: Sequence[Step]) -> Exception | None:
    """What a walk ends with."""
    try:
        play(seed, steps)
    except Exception as error:
        return error
    return None


def shrunk(seed: int, steps: Sequence[Step]) -> list[Step]:
    """The walk without what it can do without and still fail in the same way: halves, quarters, ... single steps."""
    kept, size = list(steps), max(1, len(steps) // 2)
    kind = type(fails(seed, kept))
    while True:
        position = 0
        while position < len(kept):
            fewer = kept[:position] + kept[position + size :]
            if type(fails(seed, fewer)) is kind:
                kept = fewer
            else:
                position += size
        if size == 1:
            return kept
        size //= 2
