"""The rules that every run must keep, looked at with every event: safety first, then honesty, then bounds.

Each broken rule is an AssertionError with a sentence. Byzantine machines are only listened to, never judged.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Final

from consensus.epochs import EpochContext
from consensus.events import Decided, Effects, Event
from consensus.journal_records import JournalRecord, Proposed
from consensus.messages import Message
from consensus.replica import Replica
from consensus.settings import WINDOW_DEFAULT, Timing
from consensus.verification import epoch_of as epoch_of_message
from primitives.block import Block, header_digest
from primitives.certificate import Verify
from primitives.hashing import Digest
from simulation.checkers_chain import ChainRules
from simulation.checkers_conduct import ConductRules
from simulation.checkers_fairness import FairnessRule, fair_bound_ms
from simulation.checkers_promises import Promises, Slot, epoch_of
from simulation.stored import Stored

FAIR_LOOK_EVERY: Final = 512  # steps of all nodes between two looks at what waits


class Checkers:
    """One per run. `honest` names the machines that are judged; a machine signs under its own number unless
    `opens` says otherwise for an epoch."""

    def __init__(
        self,
        context: EpochContext,
        verify: Verify,
        honest: Collection[int],
        genesis: Stored,
        memory_max: int,
        window: int = WINDOW_DEFAULT,
        now_ms: Callable[[], int] = lambda: 0,
        quiet_ms: int = 0,
        fair_ms: int | None = None,
    ) -> None:
        """quiet_ms: when the last fault of the plan ends. fair_ms: None for the bound of a network without faults."""
        self._verify, self._honest = verify, honest
        self._contexts: dict[int, EpochContext] = {context.epoch: context}
        self._seats: dict[int, dict[int, int]] = {context.epoch: {}}
        self.chain = ChainRules(self._contexts, verify, genesis.digest, genesis.state_root)
        self._honest_seats: set[int] = set(honest)
        self.conduct = ConductRules(honest, self._honest_seats, window, memory_max, now_ms)
        bound = fair_bound_ms(context.members.faulty, Timing()) if fair_ms is None else fair_ms
        self.fairness = FairnessRule(bound, quiet_ms, now_ms)
        self._promises: dict[tuple[int, int], Promises] = {}  # node, epoch
        self._disks: dict[tuple[int, int], Promises] = {}  # what is on the disk of a node that lost promises, by epoch
        self._proposed: set[Digest] = set()  # by honest nodes
        self._epochs: dict[int, int] = {}  # that a node stands in; 0 if it is not here
        self._steps = 0

    def opens(self, context: EpochContext, seats: Mapping[int, int]) -> None:
        """An epoch begins; `seats` of the judged machines that are members in it."""
        self._contexts[context.epoch] = context
        self._seats[context.epoch] = dict(seats)
        self._honest_seats.update(seats.values())

    def enters(self, node: int, epoch: int) -> None:
        """From its next step on a node stands in view 0 of this epoch."""
        if self._epochs.get(node, 0) != epoch:
            self._epochs[node] = epoch
            self.conduct.started(node, 0)

    # What the nodes report.

    def started(self, node: int, kept: list[JournalRecord], height: int) -> None:
        """A node begins with these durable records and this ledger; what a crash happened to keep binds as well."""
        self.chain.started(node, height)
        for key in [key for key in self._disks if key[0] == node]:
            del self._disks[key]
        if node in self._honest:
            for record in kept:
                self._of(node, epoch_of(record)).find(record)
                self._written(node, record)
            self._compare(node, height)
        epoch = max((epoch_of(record) for record in kept), default=-1)
        known = self._promises.get((node, epoch))
        self.conduct.started(node, 0 if known is None else known.view)

    def synced(self, node: int, records: list[JournalRecord]) -> None:
        """The order of durable promises keeps S1, S2, S3, S4, S6."""
        if node in self._honest:
            for record in records:
                self._of(node, epoch_of(record)).add(record)
                self._written(node, record)

    def _written(self, node: int, record: JournalRecord) -> None:
        if isinstance(record, Proposed):
            self._proposed.add(header_digest(record.proposal.block.header))
        if node in self.conduct.wiped:
            self._disk(node, epoch_of(record)).recall(record)

    def _compare(self, node: int, height: int) -> None:
        if node in self.conduct.wiped:
            for (number, epoch), known in self._promises.items():
                if number == node:
                    known.forgetful = known.exceeds(self._disk(node, epoch), height)

    def forgot(self, node: int, epoch: int) -> bool:
        """Whether its disk, at its last start, lacked promises of this epoch that bind it."""
        return self._of(node, epoch).forgetful

    def forgive(self, node: int, epoch: int) -> None:
        """A machine lost promises, and so few members remember what it signed that no probation could find it out: it
        counts among the f faulty ones, and what it signs from now on is judged by what its disk holds (S9, pitfall 44).
        """
        self.conduct.forgiven.add(node)
        disk, former = self._disk(node, epoch), self._of(node, epoch)
        disk.former, disk.before = former.records | former.former, former
        self._promises[node, epoch] = disk

    def sends(self, node: int, receiver: int, message: Message) -> None:
        """What a node signed itself leaves only as it is on its disk (S1, S9)."""
        del receiver
        epoch = epoch_of_message(message)
        if node in self._honest and epoch in self._contexts:
            self._of(node, epoch).check_sent(message)

    def stepped(self, node: int, replica: Replica, event: Event, effects: Effects) -> None:
        """See ConductRules; now and then also what waits."""
        if node in self._honest:
            self.conduct.stepped(node, self._contexts[self._epochs.get(node, 0)], replica, event, effects)
        self._steps += 1
        if self._steps % FAIR_LOOK_EVERY == 0:
            self.fairness.look()

    def decided(self, node: int, decided: Decided) -> None:
        """See ChainRules."""
        if node in self._honest:
            self.chain.decided(node, decided)

    def executed(self, node: int, stored: Stored) -> None:
        """See ChainRules and FairnessRule."""
        if node in self._honest:
            self.chain.executed_block(node, stored.block, stored.state_root, stored.receipts)
            for transaction in stored.receipts:
                self.fairness.executed(transaction)

    def submitted(self, node: int, transaction: Digest) -> None:
        """A client's transaction reached a node."""
        if node in self._honest:
            self.fairness.submitted(transaction)

    def refused(self, node: int, block: Block) -> None:
        """What an honest leader builds is good everywhere (C6). Its number in the header can be borrowed by others."""
        if node in self._honest and block.header.proposer in self._honest:
            assert header_digest(block.header) not in self._proposed, (
                f"C6: node {node} refuses an honest {block.header}"
            )

    def conserved(self, node: int, height: int, fault: str | None) -> None:
        """What the books of a node say after a height: points.invariants, None if they balance."""
        assert fault is None or node not in self._honest, f"INV: node {node} after height {height}: {fault}"

    def finished(self, reliable: Collection[int]) -> None:
        """The end of a run, all decided: nothing acknowledged is missing on the `reliable` honest nodes."""
        self.chain.finished(node for node in reliable if node in self._honest)
        self.fairness.look()

    # What a run wants to know.

    @property
    def agreed(self) -> dict[int, Digest]:
        """Height -> the one decided block."""
        return self.chain.agreed

    @property
    def memory_seen(self) -> int:
        """Elements in the largest core that was looked at."""
        return self.conduct.memory_seen

    @property
    def evidence_against(self) -> set[int]:
        """Seats that some honest node can prove to have signed twice."""
        return self.conduct.evidence_against

    @property
    def left_first_view_ms(self) -> dict[int, int]:
        """Node -> when it first stood above view 0."""
        return self.conduct.left_first_view_ms

    def durable_votes(self, node: int) -> dict[Slot, bytes]:
        """The own votes that an honest node has on its disk in the newest epoch, by (phase, view, height)."""
        return self._of(node, max(self._contexts)).votes

    def last_decided(self, node: int) -> int:
        """The height that a node decided last."""
        return self.chain.last[node]

    def _of(self, node: int, epoch: int) -> Promises:
        return self._in(self._promises, node, epoch)

    def _disk(self, node: int, epoch: int) -> Promises:
        return self._in(self._disks, node, epoch)

    def _in(self, where: dict[tuple[int, int], Promises], node: int, epoch: int) -> Promises:
        known = where.get((node, epoch))
        if known is None:
            seat = self._seats[epoch].get(node, node)
            known = where[node, epoch] = Promises(self._contexts[epoch], self._verify, node, seat)
        return known
