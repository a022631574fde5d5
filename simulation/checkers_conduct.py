"""How an honest core behaves from step to step: whom it accuses, where it stands, how much it holds."""

import re
from collections import defaultdict
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from typing import Final

from consensus.epochs import EpochContext
from consensus.events import Effects, Event, Received
from consensus.messages import Message, Proposal, Vote
from consensus.proposal_rules import header_fault
from consensus.replica import Replica
from consensus.state import VIEWS_AHEAD, VIEWS_BEHIND
from primitives.block import header_digest
from primitives.certificate import Phase
from simulation.footprint import elements_of

MEMORY_EVERY: Final = 256  # steps of one node between two looks at its memory
_RULE: Final = re.compile(r"\b[SCLTW]\d+\b")
Signed = tuple[int, int, int, int]  # signer, phase, view, height


@dataclass
class _Life:
    """One node from a start to the next crash."""

    view: int
    decided: int
    steps: int = 0
    heard: dict[Signed, bytes] = field(default_factory=dict)  # the first block of each slot that it still holds


class ConductRules:
    """`honest` are the machines that are judged; `seats` are the numbers under which the honest ones sign."""

    def __init__(
        self, honest: Container[int], seats: Container[int], window: int, memory_max: int, now_ms: Callable[[], int]
    ) -> None:
        self._honest, self._seats, self._window, self._memory_max, self._now_ms = (
            honest, seats, window, memory_max, now_ms,
        )  # fmt: skip
        self._lives: dict[int, _Life] = {}
        self._durable_view: dict[int, int] = defaultdict(int)
        self.wiped: set[int] = set()  # honest machines that lost their disk: these may find out that they forgot
        self.forgiven: set[int] = set()  # of these, whose signatures too few remember: they count among the f (S9)
        self.memory_seen = 0
        self.evidence_against: set[int] = set()
        self.blamed: set[tuple[int, str]] = set()  # who, and the rule that it broke
        self.left_first_view_ms: dict[int, int] = {}  # node -> when it was first seen above view 0

    def hears_blame(self, sender: int, sentence: str) -> None:
        """Remember the first rule that a sentence names."""
        rule = _RULE.search(sentence)
        if rule is not None:
            self.blamed.add((sender, rule[0]))

    def started(self, node: int, durable_view: int) -> None:
        """A new life; its first step must not stand below what is on its disk."""
        self._lives.pop(node, None)
        self._durable_view[node] = durable_view

    def stepped(self, node: int, context: EpochContext, replica: Replica, event: Event, effects: Effects) -> None:
        """Nobody honest is accused, traitors are; view and height never fall; the memory is bounded."""
        for evidence in effects.evidence:
            honest = evidence.accused in self._seats and evidence.accused not in self.forgiven
            assert not honest, f"S1: node {node} holds evidence against the honest {evidence}"
            self.evidence_against.add(evidence.accused)
        for sender, sentence in effects.violations:
            amnesiac = node in self.wiped and sender == node and replica.abstains == sentence
            assert sender not in self._seats or amnesiac, f"node {node} blames the honest node {sender}: {sentence}"
            self.hears_blame(sender, sentence)
        life = self._lives.setdefault(node, _Life(self._durable_view[node], 0))
        assert replica.view >= life.view, f"S3: node {node} falls from view {life.view} to {replica.view}"
        assert replica.decided >= life.decided, f"S5: node {node} falls from {life.decided} to {replica.decided}"
        if isinstance(event, Received):
            self._hears(node, life, context, event.message, replica)
        if replica.view > 0 and node not in self.left_first_view_ms:
            self.left_first_view_ms[node] = self._now_ms()
        if (replica.view, replica.decided) != (life.view, life.decided):
            life.view, life.decided = replica.view, replica.decided
            life.heard = {slot: digest for slot, digest in life.heard.items() if self._keeps(life, slot[2], slot[3])}
        life.steps += 1
        if life.steps % MEMORY_EVERY == 0:
            self._weigh(node, replica)

    def _keeps(self, life: _Life, view: int, height: int) -> bool:
        """S12: what a core holds, and therefore compares."""
        in_views = life.view - VIEWS_BEHIND <= view <= life.view + VIEWS_AHEAD
        return in_views and life.decided < height <= life.decided + 2 * self._window

    def _hears(self, node: int, life: _Life, context: EpochContext, message: Message, replica: Replica) -> None:
        """The second block of one signer in a slot that this node holds must be proven by then (S1, pitfall 9)."""
        match message:
            case Vote(phase, _, view, height, digest, signer):
                slot: Signed = signer, phase, view, height
            case Proposal(view, block) if header_fault(block, view, context, self._window) is None:
                digest = header_digest(block.header)
                slot = context.leader(view), Phase.PREPARE, view, block.header.height
            case _:
                return
        after = _Life(replica.view, replica.decided)
        if not (self._keeps(life, slot[2], slot[3]) and self._keeps(after, slot[2], slot[3])):
            return
        first = life.heard.setdefault(slot, digest)
        if first != digest:
            assert slot[0] in self.evidence_against, (
                f"S1: node {node} heard node {slot[0]} sign two blocks at {slot[2]}/{slot[3]} and holds no evidence"
            )

    def _weigh(self, node: int, replica: Replica) -> None:
        size = elements_of(replica)
        self.memory_seen = max(self.memory_seen, size)
        assert size <= self._memory_max, f"S12: the core of node {node} holds {size} elements, limit {self._memory_max}"
