"""The global states: one number per core, and what the traitor has in hand. Depth first, every state once.

Orders that are not explored, because one that is gives the same:
- Every message ever sent can be delivered any number of times or never, so loss and duplication need no events, and
  a core may leave its view at any moment, so it need not be joined or timed.
- Events are sorted by the view they act in, then: the leader opens the view and proposes; every other core in turn
  takes NEWVIEW and proposals; PREPARE certificates in every order; every core in turn takes COMMIT certificates and
  leaves. An event needs only what comes earlier in this order, messages stay, and events of different cores commute,
  so every run can be sorted stably without changing what any core ends with. Where two steps of one core do not
  commute (a certificate before the proposal that it makes useless), the run without the useless one is explored.
- Votes and messages of a place in this order that is over are dead, except as certificates: whatever q - 1 honest
  signatures and the traitor's own make is a certificate at once.
"""

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from primitives.certificate import Phase
from primitives.codec import encode
from primitives.hashing import Digest
from tests.exhaustive.machines import BUILD, LEAD, TIMEOUT, Machine, Violation
from tests.exhaustive.registry import Key, Registry

PREPARE, COMMIT = int(Phase.PREPARE), int(Phase.COMMIT)


@dataclass(frozen=True)
class Bound:
    """The scope: heights 1..heights, views 0..views - 1, one traitor. marks: its rival blocks at one place."""

    size: int
    traitor: int
    heights: int = 2
    views: int = 3
    marks: int = 2
    rivals_at: int = 1  # heights up to here have `marks` rival blocks, those above one
    late: bool = False  # with decisions: PREPARE certificates of a view also come after a core asked to leave it
    decisions: bool = True  # False: COMMIT certificates are compared, not delivered; every core leaves every view

    def __str__(self) -> str:
        walk = "with decisions" if self.decisions else "certificates only"
        walk += " and late certificates" if self.late else ""
        return (
            f"n={self.size} traitor={self.traitor} heights 1..{self.heights} views 0..{self.views - 1} "
            f"rivals {self.marks} up to height {self.rivals_at}, {walk}"
        )


@dataclass
class Outcome:
    """What a search found. `complete`: every state of the scope was seen."""

    bound: Bound
    states: int = 0
    transitions: int = 0
    locals: tuple[int, ...] = ()
    decided: int = 0
    complete: bool = False
    seconds: float = 0.0
    violation: str | None = None
    path: list[str] = field(default_factory=list)


Rank = tuple[int, int, int]  # view, stage, turn
OPENING, LOCKING, LEAVING = 0, 1, 2
State = tuple[tuple[int, ...], frozenset[Key], Rank]  # number of each core, what is in hand, how far the order is


class Search:
    """One scope."""

    def __init__(self, bound: Bound) -> None:
        self.bound = bound
        self.registry = Registry(bound.size, bound.traitor)
        self.machines = [Machine(node, self.registry, bound.heights, bound.views) for node in self.registry.honest]
        self._needed = self.registry.context.members.quorum - 1  # honest votes beside the traitor's
        self._leaders = [self.registry.context.leader(view) for view in range(bound.views)]
        self._offers: dict[frozenset[Key], tuple[tuple[Key, int], ...]] = {}

    def run(self, seconds: float = 600.0, states_max: int = 10**9) -> Outcome:
        """Explore until nothing new comes, or the limit."""
        outcome, started = Outcome(self.bound), time.monotonic()
        first: State = (tuple(0 for _ in self.machines), frozenset(), (0, OPENING, 0))
        seen = {hash(first)}
        stack: list[tuple[str, Iterator[tuple[str, State]]]] = [("start", self._next(first))]
        try:
            while stack:
                following = next(stack[-1][1], None)
                if following is None:
                    stack.pop()
                    continue
                outcome.transitions += 1
                label, state = following
                mark = hash(state)
                if mark in seen:
                    continue
                seen.add(mark)
                outcome.decided += any(m.glances[n].chain for m, n in zip(self.machines, state[0], strict=True))
                if len(seen) >= states_max or (len(seen) % 1024 == 0 and time.monotonic() - started > seconds):
                    break
                stack.append((label, self._next(state)))
            else:
                outcome.complete = True
        except Violation as found:
            outcome.violation = str(found)
            outcome.path = [label for label, _ in stack[1:]]
        outcome.states, outcome.seconds = len(seen), time.monotonic() - started
        outcome.locals = tuple(len(machine.glances) for machine in self.machines)
        return outcome

    def _next(self, state: State) -> Iterator[tuple[str, State]]:
        numbers, hand, place = state
        for index, machine in enumerate(self.machines):
            number = numbers[index]
            glance = machine.glances[number]
            walk = self._events if self.bound.decisions else self._lean_events
            for event, rank in walk(index, numbers, hand, place):
                after, sent = machine.step(number, event)
                if after == number and not sent:
                    continue
                label = f"{machine.node}: {event}"
                changed = (*numbers[:index], after, *numbers[index + 1 :])
                if machine.glances[after].chain != glance.chain:
                    self._agree(changed, label)
                gathered = self._gathered(hand, sent, rank) if sent or rank > place else hand
                yield label, (changed, gathered, rank)

    def _agree(self, numbers: tuple[int, ...], label: str) -> None:
        chains = [machine.glances[number].chain for machine, number in zip(self.machines, numbers, strict=True)]
        for one, other in itertools.combinations(chains, 2):
            if any(a != b for a, b in zip(one, other, strict=False)):
                raise Violation(f"two chains are decided, last step {label}")

    def _events(
        self, index: int, numbers: tuple[int, ...], hand: frozenset[Key], place: Rank
    ) -> Iterator[tuple[Key, Rank]]:
        """What can happen to a core, and where in the order; never before `place`."""
        glance = self.machines[index].glances[numbers[index]]
        node, view = self.machines[index].node, glance.view
        for key, at in self._offered(hand):
            kind = key[0]
            if kind == "C":
                for rank in self._certificate_ranks(index, view, key):
                    if rank >= place:
                        yield key, rank
                        break
                continue
            if kind == "P":
                fits = at == view and glance.active
            elif kind == LEAD:
                fits = at == view and not glance.active and self._leaders[at] == node
            else:
                fits = at > view or (at == view and not glance.active)
            rank = (at, OPENING, self._turn(node, index, at))
            if fits and rank >= place:
                yield key, rank
        rank = (view, OPENING, 0)
        if glance.may_build and rank >= place:
            yield BUILD, rank
        rank = (view, LEAVING, index)
        if glance.may_time_out and rank >= place:
            yield TIMEOUT, rank

    def _lean_events(
        self, index: int, numbers: tuple[int, ...], hand: frozenset[Key], place: Rank
    ) -> Iterator[tuple[Key, Rank]]:
        """The same without decisions, which only keep a core from voting: what it does without them includes it.

        So every core leaves every view, with the best certificate that it may have met, and enters the next or not.
        A proposal comes only where it is voted on at once: kept for later it gives the votes of another order.
        """
        glance = self.machines[index].glances[numbers[index]]
        view = glance.view
        views = [machine.glances[number].view for machine, number in zip(self.machines, numbers, strict=True)]
        turn = self._turn(self.machines[index].node, index, view)
        if min(views) == view and glance.may_build and (view, OPENING, turn) >= place:
            yield BUILD, (view, OPENING, turn)
        locks = []
        for key, at in self._offered(hand):
            if key[0] == "C":
                if key[1] == COMMIT:
                    continue
                locks.append(key)
                if at == view and glance.active and (view, LOCKING, index) >= place:
                    yield key, (view, LOCKING, index)
            elif at == view and min(views) == view and (view, OPENING, turn) >= place:
                if glance.active:
                    fits = key[0] == "P" and self.registry.blocks[key[2]].header.parent == glance.tip
                else:
                    fits = key[0] == "N" or (key[0] == LEAD and turn == 0)
                if fits:
                    yield key, (view, OPENING, turn)
        if glance.may_time_out and all(other > view for other in views[:index]):
            yield TIMEOUT, (view, LEAVING, index)
            for lock in locks:
                yield (*TIMEOUT, lock), (view, LEAVING, index)

    def _turn(self, node: int, index: int, view: int) -> int:
        return 0 if self._leaders[view] == node else 1 + index

    def _certificate_ranks(self, index: int, view: int, key: Key) -> tuple[Rank, ...]:
        """Where a core in `view` can take a certificate; one of an older view before it votes or before it leaves."""
        at = int(key[2])
        if at < view:
            turn = self._turn(self.machines[index].node, index, view)
            return (view, OPENING, turn), (view, LEAVING, index)
        if key[1] == COMMIT:
            return ((at, LEAVING, index),)
        return ((at, LOCKING, 0), (at, LEAVING, index)) if self.bound.late else ((at, LOCKING, 0),)

    def _gathered(self, hand: frozenset[Key], sent: tuple[Key, ...], place: Rank) -> frozenset[Key]:
        """What is in hand after a step: enough votes are a certificate, what is over is gone."""
        items = set(hand) | set(sent)
        tallies: dict[Key, list[Key]] = {}
        for item in items:
            if item[0] == "v":
                tallies.setdefault(("C", *item[2:]), []).append(item)
        for certificate, votes in tallies.items():
            if certificate in items or len(votes) >= self._needed:
                if certificate not in items and certificate[1] == COMMIT:
                    self._compatible(certificate, items)
                items.add(certificate)
                items.difference_update(votes)
        return frozenset(item for item in items if self._alive(item, place))

    def _compatible(self, certificate: Key, items: set[Key]) -> None:
        """Two COMMIT certificates are on one chain, whether or not anybody has decided by them."""
        for other in items:
            if other[0] == "C" and other[1] == COMMIT:
                low, high = sorted((certificate, other), key=lambda key: int(key[3]))
                if self._ancestor(high[4], low[3]) != low[4]:
                    raise Violation(f"COMMIT certificates on two chains: v{low[2]} h{low[3]} and v{high[2]} h{high[3]}")

    def _ancestor(self, digest: bytes, height: int) -> bytes:
        block = self.registry.blocks[Digest(digest)]
        while block.header.height > height:
            digest = block.header.parent
            block = self.registry.blocks[Digest(digest)]
        return digest

    def _alive(self, item: Key, place: Rank) -> bool:
        match item[0]:
            case "C":
                return True
            case "v":
                over = LEAVING + 1 if self.bound.late else LEAVING
                return (item[3], over) > place[:2]
            case "V":
                led = self._leaders[item[1]] != self.registry.traitor
                return (item[1], OPENING, 0) >= place if led else (item[1], LOCKING) > place[:2]
        return (item[1], LOCKING) > place[:2]

    def _offered(self, hand: frozenset[Key]) -> tuple[tuple[Key, int], ...]:
        """Every message that can be delivered now, with its view."""
        known = self._offers.get(hand)
        if known is None:
            keys = [key for key in hand if key[0] not in "vV"]
            for key in keys:
                if key[0] == "C":
                    self.registry.certificate(key)
            keys += self._forged(hand)
            known = self._offers[hand] = tuple((key, _view_of(key)) for key in sorted(keys, key=repr))
        return known

    def _forged(self, hand: frozenset[Key]) -> list[Key]:
        """What the traitor can sign with what is in hand."""
        traitor = self.registry.traitor
        locks = sorted((key for key in hand if key[0] == "C" and key[1] == PREPARE), key=repr)
        forged: list[Key] = []
        changes: dict[int, list[Key]] = {view: [] for view in range(1, self.bound.views)}
        for view, mine in changes.items():
            mine.append(self.registry.view_change(view, None))
            mine += [self.registry.view_change(view, lock) for lock in locks if lock[2] < view]
            if self._leaders[view] != traitor:
                forged += self._leads(view, mine, hand)
        for view, leader in enumerate(self._leaders):
            if leader == traitor:
                opened = self._new_views(view, changes[view], hand, locks) if view > 0 else []
                forged += opened + self._proposals(view, opened)
        return forged

    def _leads(self, view: int, own: list[Key], hand: frozenset[Key]) -> list[Key]:
        """The VIEWCHANGEs that an honest leader may have heard when it opens the view, its own left out."""
        others = [k for k in hand if k[0] == "V" and k[1] == view and k[2] != self._leaders[view]]
        chosen = itertools.combinations(sorted([*others, *own], key=repr), self._needed)
        return [(LEAD, keys, view) for keys in chosen if len({key[2] for key in keys}) == self._needed]

    def _proposals(self, view: int, opened: list[Key]) -> list[Key]:
        """Rivals on every base of the view, and on each other; the first one above a base carries its NEWVIEW."""
        registry, bound = self.registry, self.bound
        roots: list[tuple[bytes, bytes | None]] = [] if view else [(registry.context.start_digest, None)]
        for key in opened:
            record = encode(registry.messages[key])
            roots.append((registry.context.start_digest, record))  # below the base: nobody may vote for it (S2)
            if key[2] is not None:
                roots.append((key[2][3], record))
        found: list[Key] = []
        while roots:
            parent, record = roots.pop()
            height = registry.blocks[Digest(parent)].header.height + 1
            if height > bound.heights:
                continue
            for mark in range(bound.marks if height <= bound.rivals_at else 1):
                key = registry.proposal(view, registry.child(parent, registry.traitor, mark, record))
                if key not in found:
                    found.append(key)
                    roots.append((key[2], None))
        return found

    def _new_views(self, view: int, own: list[Key], hand: frozenset[Key], locks: list[Key]) -> list[Key]:
        """Every NEWVIEW that q summaries in hand support, and those that a correct receiver must refuse."""
        honest = [key for key in hand if key[0] == "V" and key[1] == view]
        quorum = self.registry.context.members.quorum
        found: set[Key] = set()
        bases = [None, *(lock for lock in locks if lock[2] < view)]
        for chosen in itertools.combinations(sorted([*honest, *own], key=repr), quorum):
            if len({key[2] for key in chosen}) == quorum:
                found.update(key for base in bases if (key := self.registry.new_view(view, chosen, base)))
        for repeated in [*honest, *own]:
            found.update(key for base in bases if (key := self.registry.new_view(view, [repeated] * quorum, base)))
        return sorted(found, key=repr)


def _view_of(key: Key) -> int:
    """The view that a message or vote belongs to."""
    match key[0]:
        case "C":
            return int(key[2])
        case "v":
            return int(key[3])
        case "lead":
            return int(key[2])
    return int(key[1])
