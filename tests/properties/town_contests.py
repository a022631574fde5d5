"""Challenges of a town: opened, taken up, scored, awarded. `stage` brings one as far as an award."""

from random import Random
from typing import Any

from points.state import Role
from primitives.kinds_challenges import ChallengeApply, ChallengeAward, ChallengeOpen, ChallengeScore
from tests.properties.town import DAY, Act, Town
from tests.properties.town_filling import fresh, likely, name_address


def _challenge(town: Town, dice: Random) -> tuple[str, Any]:
    rows = town.rows(b"n")
    if not rows:
        return fresh(dice, "ch"), None
    key, of = dice.choice(rows)
    return key[1:].decode(), of


def _applied(town: Town, dice: Random, name: str) -> bytes:
    rows = town.rows(b"q" + name.encode() + b"\x00")
    return dice.choice(rows)[0][-20:] if rows else name_address("A")


def challenge_open(town: Town, dice: Random) -> Any:
    days = dice.choice([(1, 1, 5), (1, 1, 5), (2, 3, 30), (0, 1, 1)])
    return ChallengeOpen(fresh(dice, "ch"), bytes(32), *days, dice.choice([0, 3, 17]))


def challenge_award(town: Town, dice: Random) -> Any:
    name, _ = _challenge(town, dice)
    return ChallengeAward(name, _applied(town, dice, name))


def challenge_apply(town: Town, dice: Random) -> Act:
    name, _ = _challenge(town, dice)
    return likely(town, dice, ChallengeApply, name_address(dice.choice("ABCD")), challenge=name)


def challenge_score(town: Town, dice: Random) -> Act:
    name, _ = _challenge(town, dice)
    members = town.holding(Role.COMMITTEE) or [name_address("m1")]
    points, whom = dice.choice([0, 50, 100, 101]), _applied(town, dice, name)
    return likely(town, dice, ChallengeScore, dice.choice(members), challenge=name, merchant=whom, points=points)


def stage(town: Town, dice: Random) -> None:
    """Merchants apply for some challenge, the committee scores them, the time of the award comes."""
    name, of = _challenge(town, dice)
    if of is None or town.now >= of.score_until:
        return
    for shop in dice.sample("ABCD", 2):
        town.attempt(likely(town, dice, ChallengeApply, name_address(shop), challenge=name))
    if town.now < of.apply_until:
        town.move(of.apply_until, dice)
    for member in town.holding(Role.COMMITTEE):
        for key, _ in town.rows(b"q" + name.encode() + b"\x00"):
            points = dice.randint(0, 100)
            score = likely(town, dice, ChallengeScore, member, challenge=name, merchant=key[-20:], points=points)
            town.attempt(score)
    town.move(of.score_until + dice.choice([0, 0, 1, DAY]), dice)


BODIES = {"challenge_open": challenge_open, "challenge_award": challenge_award}
ACTS = {"challenge_apply": challenge_apply, "challenge_score": challenge_score}
