"""One honest core as a table: (state, event) -> (state, what it sent). A real `Replica` takes every step once.

A step is the event and all that the driver of the core would answer at once: bodies are there, checks say yes, blocks
that it asks for come, decided blocks are executed. An event is the key of a message, TIMEOUT or BUILD.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from consensus import view_moves
from consensus.events import (
    ALL,
    BlockBuilt,
    BlockChecked,
    BuildBlock,
    Effects,
    Event,
    Executed,
    Pending,
    Received,
    Tick,
)
from consensus.journal_records import Committed, JournalRecord, LeftView, Prepared, Proposed
from consensus.messages import BlockReply, NewView, Proposal, Status, ViewChange, Vote
from consensus.replica import Replica
from consensus.settings import LedgerHead, ReplicaConfig
from primitives.block import Block
from primitives.certificate import Phase
from primitives.validators import Height, NodeId
from tests.exhaustive.canon import certificate_key, digest_of, state_digest
from tests.exhaustive.registry import Key, Registry

TIMEOUT: Final[Key] = ("timeout",)  # or ("timeout", key of a certificate that comes just before)
BUILD: Final[Key] = ("build",)
LEAD: Final = "lead"  # ("lead", keys): as many VIEWCHANGEs at once as make a NEWVIEW with the own one


SignedVote = tuple[int, int, int, bytes]  # phase, view, height, block


SILENCE: Final = Status(0, 0, True, 0, 0, ())  # ends the probation of a start: nobody remembers anything (S9)


class Violation(Exception):
    """A rule that this search watches is broken; the sentence says which."""


@dataclass(frozen=True, slots=True)
class Local:
    """A state of one core. `chain`: what it decided; `signed`: its votes in the view it stands in."""

    replica: Replica
    chain: tuple[bytes, ...]
    signed: tuple[SignedVote, ...]
    request: BuildBlock | None

    @property
    def view(self) -> int:
        """The view it stands in."""
        return self.replica.view


@dataclass(frozen=True, slots=True)
class Glance:
    """What the search reads of a state before it picks events."""

    view: int
    active: bool
    may_time_out: bool
    may_build: bool
    tip: bytes
    chain: tuple[bytes, ...]


class Machine:
    """All states of one node that were reached, and the steps between them."""

    def __init__(self, node: int, registry: Registry, heights: int, views: int) -> None:
        self.node, self._registry, self._heights, self._views = node, registry, heights, views
        self.glances: list[Glance] = []
        self.steps: dict[tuple[int, Key], tuple[int, tuple[Key, ...]]] = {}
        self._ways: list[tuple[int, Key]] = []  # the state and the event that led to each state first
        self._unused: dict[int, Local] = {}  # cores that took no step since they came to a state
        self._numbers: dict[bytes, int] = {}
        self._intern(self._started(), (-1, ()))

    def step(self, number: int, event: Key) -> tuple[int, tuple[Key, ...]]:
        """The state after an event, and what was sent. Raises: Violation."""
        known = self.steps.get((number, event))
        if known is None:
            known = self.steps[number, event] = self._stepped(number, event)
        return known

    def _stepped(self, number: int, event: Key) -> tuple[int, tuple[Key, ...]]:
        local, sent = self._taken(self._in_state(number), event)
        return self._intern(local, (number, event)), tuple(sent)

    def _started(self) -> Local:
        registry = self._registry
        config = ReplicaConfig(registry.context, NodeId(self.node), registry.scheme.signer(self.node))
        replica = Replica(config, LedgerHead((registry.genesis,), None, Height(0)))
        start: deque[Event] = deque([Tick(0), Pending(1)])
        start.extend(Received(NodeId(other), SILENCE) for other in range(registry.size) if other != self.node)
        return self._settled(Local(replica, (), (), None), start, [])[0]

    def _in_state(self, number: int) -> Local:
        """A core that nobody else holds: the one that came here, once, then others led here on the same way."""
        local = self._unused.pop(number, None)
        way: list[Key] = []
        while local is None and number > 0:
            number, event = self._ways[number]
            way.append(event)
        local = local or self._started()
        for event in reversed(way):
            local, _ = self._taken(local, event)
        return local

    def _taken(self, local: Local, event: Key) -> tuple[Local, list[Key]]:
        sent: list[Key] = []
        events: deque[Event] = deque()
        if event[0] == TIMEOUT[0]:
            for key in event[1:]:  # a certificate that comes just before
                assert self._registry.acceptable(self._registry.messages[key]), "certificates in hand are valid"
                received = Received(NodeId(self._registry.traitor), self._registry.messages[key])
                local = self._carried(local, local.replica.step(received), events, sent)
            effects = Effects()
            view_moves.leave_view(local.replica._state, local.view + 1, effects)
            local.replica._advance(effects)
            local = self._carried(local, effects, events, sent)
        elif event == BUILD:
            assert local.request is not None, "BUILD answers a request"
            events.append(self._built(local.request))
        else:
            for key in event[1] if event[0] == LEAD else (event,):
                message = self._registry.messages[key]
                if self._registry.acceptable(message):
                    events.append(Received(NodeId(self._registry.traitor), message))
        return self._settled(local, events, sent)

    def _built(self, request: BuildBlock) -> BlockBuilt:
        block = self._registry.child(request.parent, self.node, 0, request.new_view)
        return BlockBuilt(request.view, request.height, block)

    def _settled(self, local: Local, events: deque[Event], sent: list[Key]) -> tuple[Local, list[Key]]:
        while True:
            while events:
                effects = local.replica.step(events.popleft())
                local = self._carried(local, effects, events, sent)
            wanted = [d for d in local.replica._state.wants if d in self._registry.blocks]
            if not wanted:
                return local, sent
            reply = BlockReply((self._registry.blocks[wanted[0]],))
            events.append(Received(NodeId(self._registry.traitor), reply))

    def _carried(self, local: Local, effects: Effects, events: deque[Event], sent: list[Key]) -> Local:
        chain, signed, request = list(local.chain), list(local.signed), local.request
        for record in effects.persist:
            for vote in _votes_in(record, self.node):
                _sign_once(signed, vote, local.view, self.node)
                sent.append(("v", self.node, *vote))
        for receiver, message in effects.send:
            if receiver == ALL:
                sent += self._public(local.replica, message)
        for decided in effects.decide:
            chain.append(digest_of(decided.block))
            events.append(Executed(decided.height, changed=False))
        events.extend(BlockChecked(check.digest, True) for check in effects.check)
        for build in effects.build:
            request = build
        live = tuple(sorted(vote for vote in signed if vote[1] >= local.view))
        return Local(local.replica, tuple(chain), live, request)

    def _public(self, replica: Replica, message: object) -> Iterator[Key]:
        key: Key
        match message:
            case Proposal():
                self._registry.keep(message.block)
                key = ("P", message.view, digest_of(message.block))
            case ViewChange():
                key = ("V", message.summary.view, self.node, certificate_key(message.certificate))
            case NewView():
                key = ("N", message.view, certificate_key(message.certificate))
                first = self._registry.messages.setdefault(key, message)
                assert isinstance(first, NewView), "the key names a NEWVIEW"
                replica._state.new_view = first  # all that have one base are one message
                yield key
                return
            case _:
                return
        self._registry.messages.setdefault(key, message)
        yield key

    def _intern(self, local: Local, way: tuple[int, Key]) -> int:
        digest = state_digest(local.replica, [list(local.chain), [list(vote) for vote in local.signed]])
        number = self._numbers.get(digest)
        if number is None:
            number = self._numbers[digest] = len(self._ways)
            self._ways.append(way)
            self._unused[number] = local
            self.glances.append(self._glance(local))
        return number

    def _glance(self, local: Local) -> Glance:
        state = local.replica._state
        building = state.building is not None and state.building[1] <= self._heights
        may_time_out = state.view < self._views - 1
        return Glance(state.view, state.active, may_time_out, building, state.tip.digest, local.chain)


def _votes_in(record: JournalRecord, node: int) -> Iterator[SignedVote]:
    """(phase, view, height, digest) that a record signs."""
    vote: Vote
    match record:
        case Proposed(proposal):
            block: Block = proposal.block
            yield int(Phase.PREPARE), proposal.view, block.header.height, digest_of(block)
        case Prepared() | Committed():
            vote = record.vote
            assert vote.signer == node, "a journal holds own votes"
            yield int(vote.phase), vote.view, vote.height, vote.digest
        case LeftView():
            return


def _sign_once(
    signed: list[tuple[int, int, int, bytes]], vote: tuple[int, int, int, bytes], view: int, me: int
) -> None:
    phase, at, height, digest = vote
    if at < view:
        raise Violation(f"node {me} signs {Phase(phase).name} v{at} h{height} while it stands in view {view}")
    for other in signed:
        if other[:3] == vote[:3] and other[3] != digest:
            raise Violation(f"node {me} signs two blocks for {Phase(phase).name} v{at} h{height}")
    signed.append(vote)
