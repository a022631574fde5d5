"""Random validator changes, recorded views and closes against a model of dicts and lists (C8, C11).

The model keeps members in a dict and applies the published rules one by one; codes, seats and leaders must agree.
"""

from dataclasses import dataclass, field

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from points.validators import REKEY_BLOCKS, next_seats
from primitives.codes import Code
from primitives.kinds import Body
from primitives.validators import ValidatorSet, valset_hash
from tests.points.committee import Committee

pytestmark = pytest.mark.pitfall(64, 67)
NAMES = st.sampled_from([f"v{i}" for i in range(30)])
BLACKLIST, HANDOVER = 12, 5


@dataclass
class Member:
    name: str
    key: str


@dataclass
class Model:
    """Members by seat; `waiting`: (height, seat, member or None, seat of the present member that it touches)."""

    members: dict[int, Member]
    waiting: list[tuple[int, int, Member | None, int | None]] = field(default_factory=list)
    view: int = 0
    base: int = 0
    leaders: list[int] = field(default_factory=list)
    late: list[tuple[int, int]] = field(default_factory=list)
    rekeyed: dict[int, int] = field(default_factory=dict)

    def after(self, until: int | None = None) -> dict[int, Member]:
        """The members once the changes of the heights up to `until` are done."""
        members = dict(self.members)
        for height, seat, member, _ in self.waiting:
            if until is None or height <= until:
                if member is None:
                    del members[seat]
                else:
                    members[seat] = member
        return members

    def everyone(self) -> list[Member]:
        return [*self.members.values(), *(member for _, _, member, _ in self.waiting if member is not None)]

    def seat(self, name: str) -> int | None:
        return next((seat for seat, member in self.members.items() if member.name == name), None)

    def taken(self, name: str, key: str, spare: str = "") -> bool:
        return any((m.name == name and name != spare) or m.key == key for m in self.everyone())

    def touch(self, seat: int, rekey: bool = False) -> Code:
        """An operator may go over one change of keys."""
        touched = [at for *_, at in self.waiting if at is not None]
        own = [member for *_, member, at in self.waiting if at == seat]
        going = len(own) == 1 and own[0] is not None and own[0].name == self.members[seat].name and not rekey
        if own and not going:
            return Code.TOO_MANY_CHANGES
        return Code.TOO_MANY_CHANGES if len({*touched, seat}) > max(1, self.faulty()) else Code.OK

    def faulty(self) -> int:
        return (len(self.members) - 1) // 3


class Changes(RuleBasedStateMachine):
    @initialize(size=st.sampled_from([4, 5, 6, 7, 10, 13, 21, 22]))
    def start(self, size: int) -> None:
        self.market = Committee(size, blacklist_blocks=BLACKLIST, handover_blocks=HANDOVER)
        self.model = Model({seat: Member(f"v{seat}", f"v{seat}") for seat in range(size)}, leaders=list(range(size)))
        self.keys = 0

    def _do(self, body: Body, expected: Code) -> bool:
        assert self.market.do("operator", body) is expected, body
        return expected is Code.OK

    @rule(name=NAMES)
    def add(self, name: str) -> None:
        model = self.model
        following = model.after()
        code = Code.OK if len(following) < 22 else Code.TOO_MANY_VALIDATORS
        if model.taken(name, name):
            code = Code.VALIDATOR_EXISTS
        if self._do(self.market.add(name), code):
            seat = min(set(range(23)) - set(following))
            model.waiting.append((self.market.height, seat, Member(name, name), None))

    @rule(name=NAMES)
    def remove(self, name: str) -> None:
        model, seat = self.model, self.model.seat(name)
        if seat is None:
            code = Code.VALIDATOR_UNKNOWN
        elif len(model.after()) <= 4:
            code = Code.TOO_FEW_VALIDATORS
        else:
            code = model.touch(seat)
        if self._do(self.market.remove(name), code):
            assert seat is not None
            model.waiting.append((self.market.height, seat, None, seat))

    @rule(old=NAMES, name=NAMES)
    def replace(self, old: str, name: str) -> None:
        """With the certificate of the new name, so a machine under its old name is refused here as taken."""
        model, seat = self.model, self.model.seat(old)
        if seat is None:
            code = Code.VALIDATOR_UNKNOWN
        elif model.taken(name, name, old) or name == old:
            code = Code.VALIDATOR_EXISTS
        else:
            code = model.touch(seat)
        if self._do(self.market.swap(old, name), code):
            assert seat is not None
            model.waiting.append((self.market.height, seat, Member(name, name), seat))

    @rule(name=NAMES, other=NAMES, fresh=st.booleans())
    def rekey(self, name: str, other: str, fresh: bool) -> None:
        model, seat = self.model, self.model.seat(name)
        self.keys += 1
        key = f"key{self.keys}" if fresh else other
        old = name if seat is None else model.members[seat].key
        if seat is None:
            code = Code.VALIDATOR_UNKNOWN
        elif any(member.key == key for member in model.everyone()):
            code = Code.VALIDATOR_EXISTS
        elif self.market.height + 1 < model.rekeyed.get(seat, -REKEY_BLOCKS) + REKEY_BLOCKS:
            code = Code.TOO_MANY_CHANGES
        else:
            code = model.touch(seat, rekey=True)
        if self._do(self.market.rekey(name, key, old=old), code):
            assert seat is not None
            model.waiting.append((self.market.height, seat, Member(name, key), seat))

    @rule(jump=st.integers(1, 9), back=st.integers(0, 6))
    def view(self, jump: int, back: int) -> None:
        model, market = self.model, self.market
        view, base = model.view + jump, max(model.base, market.height - back)
        market.view_at(view, base)
        handed_over = any(height % HANDOVER == 0 for height in range(model.base + 1, base + 1))
        for number in range(model.view + handed_over, view):
            model.late.append((model.leaders[number % len(model.leaders)], market.height))
        model.view, model.base = view, base

    @precondition(lambda self: bool(self.model.waiting))
    @rule(lag=st.integers(0, 4), lead=st.integers(0, 21))
    def close(self, lag: int, lead: int) -> None:
        """The first header whose exec_height state has something pending: never earlier than the first change."""
        model, market = self.model, self.market
        exec_height = max(model.waiting[0][0], market.height - lag)
        proposer = sorted(model.members)[lead % len(model.members)]
        before, model.members = model.members, model.after(exec_height)
        due = [item for item in model.waiting if item[0] <= exec_height]
        model.waiting = [item for item in model.waiting if item[0] > exec_height]
        market.close(proposer, exec_height)
        kept = {seat for seat in before if seat in model.members and before[seat].name == model.members[seat].name}
        renewed = {seat for seat in kept if any(at == seat for *_, at in due)}
        model.rekeyed = {s: h for s, h in model.rekeyed.items() if s in kept} | dict.fromkeys(renewed, market.height)
        model.late = [(s, h) for s, h in model.late if s in kept and market.height - h < BLACKLIST]
        seats = sorted(model.members)
        first = proposer if proposer in kept else proposer + 1
        order = sorted(seats, key=lambda seat: (seat < first, seat))
        counts = {seat: sum(1 for s, _ in model.late if s == seat) for seat in seats}
        worst = sorted((s for s in seats if counts[s]), key=lambda s: (-counts[s], s))[: model.faulty()]
        model.leaders = [s for s in order if s not in worst] + [s for s in order if s in worst]
        model.view, model.base = 0, market.height
        assert market.register.start_height == market.height

    @invariant()
    def same(self) -> None:
        if not hasattr(self, "market"):
            return
        of, model = self.market.register, self.model
        found = {seat: member.name for seat, member in enumerate(of.seats) if member is not None}
        assert found == {seat: member.name for seat, member in model.members.items()}
        assert list(of.leaders) == model.leaders
        following = next_seats(of)
        assert (following is None) == (not model.waiting)
        if following is not None:
            expected = {seat: member.name for seat, member in model.after().items()}
            assert {seat: member.name for seat, member in enumerate(following) if member is not None} == expected
            assert ValidatorSet(following).hash == valset_hash(following)  # keys are distinct
        overlap = sum(1 for seat, member in model.members.items() if model.after().get(seat) == member)
        assert overlap >= len(model.members) - max(1, model.faulty())  # those who stay are enough to hand over


TestValidatorChanges = Changes.TestCase
