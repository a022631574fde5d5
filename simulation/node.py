"""One simulated validator: the real core, the real journal on a disk in memory, and the loop between them.

The loop is the product's: everything in the inbox is stepped, then its records are appended and synced as one group,
and only then do messages leave and decisions go on (S9). A power cut loses what was not synced.
"""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from consensus.events import Decided, Effects, Event, Received, Tick
from consensus.journal_records import JOURNAL_DECODER, JournalRecord
from consensus.messages import Message
from consensus.replica import Replica
from consensus.settings import LedgerHead, ReplicaConfig
from ledger.failures import FatalError, JournalDamaged
from ledger.journal import Journal
from ledger.memory_disk import MemoryDisk
from primitives.block import Block
from primitives.codec import decode_canonical, encode
from primitives.keys import PublicKey, Signature
from primitives.validators import Height, NodeId
from simulation.application import Application, Ledger, Stored
from simulation.parcels import BatchParcel, BatchRequest, ChainReply, ChainRequest, Parcel
from simulation.schedule import Schedule
from simulation.shell import WALL_MS, Shell

JOURNAL: Final = "votes"
SHELL_PARCELS: Final = (BatchParcel, BatchRequest, ChainRequest, ChainReply)
BUFFER_PARCELS: Final = 2_000  # that the network keeps for a stopped process
RETRY_START_MS: Final = 300  # a supervisor starts a process again that ended by itself
SETTLE_MS: Final = 100  # how often pending batches are looked at


class Watcher(Protocol):
    """Hears everything that the rules speak about; raises AssertionError when one is broken."""

    def started(self, node: int, kept: list[JournalRecord], height: int) -> None:
        """A node begins with these durable records and this ledger."""
        ...

    def synced(self, node: int, records: list[JournalRecord]) -> None:
        """Records became durable."""
        ...

    def sends(self, node: int, receiver: int, message: Message) -> None:
        """A node's core wants this on the wire."""
        ...

    def stepped(self, node: int, replica: Replica, event: Event, effects: Effects) -> None:
        """One step of a core."""
        ...

    def decided(self, node: int, decided: Decided) -> None:
        """A core decided."""
        ...

    def executed(self, node: int, stored: Stored) -> None:
        """A node executed a decided block."""
        ...

    def refused(self, node: int, block: Block) -> None:
        """A node found the content of a proposal wrong."""
        ...

    def stopped(self, node: int, failure: FatalError) -> None:
        """A node's process ended by itself."""
        ...


@dataclass(frozen=True)
class Machine:
    """What a node is and survives every crash: identity, settings of its hardware, and its place in the run."""

    number: int  # of the machine; a twin has another one than its identity
    config: ReplicaConfig
    verify: Callable[[PublicKey, bytes, Signature], bool]
    sync_ms: int
    execution_ms: int
    tick_ms: int
    rotate_records: int
    skew_ms: int
    drift_permille: int


class Node:
    """A machine that can be switched off and on."""

    def __init__(
        self,
        machine: Machine,
        ledger: Ledger,
        schedule: Schedule,
        draw: random.Random,
        watcher: Watcher,
        transmit: Callable[[int, int, Parcel], None],
    ) -> None:
        """transmit(machine number, receiving identity or ALL, parcel)."""
        self.machine, self.ledger = machine, ledger
        self.me: Final[NodeId] = machine.config.me
        self._schedule, self._draw, self._watcher, self._transmit = schedule, draw, watcher, transmit
        self.disk = MemoryDisk()
        Journal.create(self.disk, JOURNAL, machine.config.context.chain_id).close()
        self.up = False
        self.retired = False  # its journal lost promises: it never votes again with this key
        self._rotten = 0  # records that the journal had when it rotted
        self.lag_ms = 0  # until what comes in is looked at
        self.sync_lag_ms = 0  # of a slow disk
        self.jump_ms = 0  # of the wall clock
        self._paused = False
        self._frozen: list[Callable[[], None]] = []  # what falls due while the process is stopped
        self._life = 0  # counts the starts, so that what was scheduled in one life does not reach the next
        self._inbox: deque[Event] = deque()
        self._busy = False
        self._records = 0
        self.syncs = 0  # since the birth of the node
        self.power_cut: tuple[int, bool] | None = None  # (number of the sync, whether the sync still happened)
        self.start()

    def start(self) -> None:
        """Switch on: read the journal, restore the core, begin to tick. A disk that fails is tried again later."""
        assert not self.up, "a node starts once per life"
        if self.retired:
            return
        self._life += 1
        try:
            self._journal, payloads = Journal.open(self.disk, JOURNAL, self.machine.config.context.chain_id)
            if len(payloads) < self._rotten:
                raise JournalDamaged("the newest records are gone: taken for a torn tail, which this run knows better")
        except JournalDamaged as damage:
            self.retired = True
            self._watcher.stopped(self.machine.number, damage)
            return
        except FatalError as failure:
            self._stop(failure)
            return
        self.up, self._busy, self._paused = True, False, False
        self._frozen.clear()
        self._inbox.clear()
        kept = [decode_canonical(JOURNAL_DECODER, raw) for raw in payloads]
        self._records = len(kept)
        self.shell = Shell(
            self.me,
            self.machine.config.context,
            Application(self.ledger),
            self,
            self._draw,
            self.machine.verify,
            self.machine.execution_ms,
        )
        self._watcher.started(self.machine.number, kept, self.ledger.height)
        self.replica = Replica.restore(self.machine.config, kept, self._head())
        self.later(self._draw.randrange(self.machine.tick_ms), self._tick)
        self.later(self._draw.randrange(SETTLE_MS), self._settle)

    def crash(self) -> None:
        """Power cut: memory and everything not synced is gone; the tail may be torn."""
        if self.up:
            self.up = self._paused = False
            self._lose_power()

    def _lose_power(self) -> None:
        """What was not synced is there up to some point, or any part of it; a disk reorders."""
        self._frozen.clear()
        self._life += 1
        pending = range(self.disk.pending)
        prefix = range(self._draw.randint(0, len(pending)))
        kept = prefix if self._draw.random() < 0.5 else [i for i in pending if self._draw.random() < 0.5]
        self.disk.crash(kept, self._draw.choice((None, 0, 3, 30, 200)))

    def _stop(self, failure: FatalError) -> None:
        """The process ends at the first error of its disk and is started again; what was not synced may be lost."""
        self.up = self._paused = False
        self._watcher.stopped(self.machine.number, failure)
        self._lose_power()
        self._schedule.after(RETRY_START_MS, lambda: None if self.up else self.start())

    def rot(self, draw: random.Random) -> None:
        """While it is off, a synced byte of the journal changes, save in the newest records (see ledger/journal)."""
        try:
            self._rotten = len(Journal.open(self.disk, JOURNAL, self.machine.config.context.chain_id)[1])
        except JournalDamaged:
            return  # once is enough
        size = self.disk.size(JOURNAL)
        self.disk.flip(JOURNAL, draw.randrange(max(1, size // 2)), 1 << draw.randrange(8))

    def wipe(self) -> None:
        """While it is off, the disk is replaced by an empty one: neither journal nor chain is left."""
        assert not self.up, "a running node keeps its disk"
        self.disk = MemoryDisk()
        Journal.create(self.disk, JOURNAL, self.machine.config.context.chain_id).close()
        self.ledger = Ledger(self.ledger.blocks[:1])

    def pause(self) -> None:
        """Stop the process (SIGSTOP): nothing is lost, nothing happens; what comes in waits in bounded buffers."""
        self._paused = True

    def resume(self) -> None:
        """Let a stopped process go on; all that was due meanwhile happens now."""
        self._paused = False
        frozen, self._frozen = self._frozen, []
        for action in frozen:
            self.later(0, action)

    def receive(self, sender: int, parcel: Parcel) -> None:
        """A parcel from the link of `sender`, already found correct if it is a consensus message."""
        if self._paused:
            if len(self._frozen) < BUFFER_PARCELS:
                self._frozen.append(partial(self._take, sender, parcel))
        elif self.lag_ms:
            self.later(self.lag_ms, lambda: self._take(sender, parcel))
        elif self.up:
            self._take(sender, parcel)

    def _take(self, sender: int, parcel: Parcel) -> None:
        if isinstance(parcel, SHELL_PARCELS):
            self.shell.receive(sender, parcel)
        else:
            self.offer(Received(NodeId(sender), parcel))

    # What the shell needs of its node.

    def now_ms(self) -> int:
        """Virtual time."""
        return self._schedule.now_ms

    def later(self, delay_ms: int, action: Callable[[], None]) -> None:
        """Run it in this life only."""
        life = self._life

        def act() -> None:
            if self._life == life and self._paused:
                self._frozen.append(action)
            elif self._life == life:
                action()

        self._schedule.after(delay_ms, act)

    def wall_ms(self) -> int:
        """This node's wall clock."""
        now = self._schedule.now_ms
        return WALL_MS + now + now * self.machine.drift_permille // 1000 + self.machine.skew_ms + self.jump_ms

    def offer(self, event: Event) -> None:
        """Queue for the core; stepped at once unless the disk or an earlier step is busy."""
        self._inbox.append(event)
        if not self._busy:
            self._run()

    def send(self, receiver: int, parcel: Parcel) -> None:
        """A parcel of the shell."""
        self._transmit(self.machine.number, receiver, parcel)

    def leader(self) -> int:
        """Who leads the view of the core."""
        return self.machine.config.context.leader(self.replica.view)

    def executed(self, stored: Stored) -> None:
        """Pass on to the checkers."""
        self._watcher.executed(self.machine.number, stored)

    def refused(self, block: Block) -> None:
        """Pass on to the checkers."""
        self._watcher.refused(self.machine.number, block)

    # The loop.

    def _run(self) -> None:
        self._busy = True
        while self._inbox:
            groups: list[Effects] = []
            records: list[JournalRecord] = []
            while self._inbox:
                event = self._inbox.popleft()
                effects = self.replica.step(event)
                self._watcher.stepped(self.machine.number, self.replica, event, effects)
                groups.append(effects)
                records.extend(effects.persist)
            if records:
                try:
                    self._journal.append([encode(record) for record in records])
                except FatalError as failure:
                    self._stop(failure)
                    return
                self.later(self.machine.sync_ms + self.sync_lag_ms, partial(self._persisted, records, groups))
                return
            self._release(groups)
        self._busy = False

    def _persisted(self, records: list[JournalRecord], groups: list[Effects]) -> None:
        self.syncs += 1
        if self.power_cut == (self.syncs, False):
            self.crash()
            return
        try:
            self._journal.sync()
        except FatalError as failure:
            self._stop(failure)
            return
        self.shell.application.synced()
        self._records += len(records)
        self._watcher.synced(self.machine.number, records)
        if self.power_cut == (self.syncs, True):
            self.crash()
            return
        try:
            self._rotate()
        except FatalError as failure:
            self._stop(failure)
            return
        self._release(groups)
        self._run()

    def _release(self, groups: list[Effects]) -> None:
        """Carry out what may be seen now. The loop counts as busy meanwhile, so the shell's answers are only queued."""
        number = self.machine.number
        for effects in groups:
            for receiver, message in effects.send:
                self._watcher.sends(number, receiver, message)
                self._transmit(number, receiver, message)
            for decided in effects.decide:
                self._watcher.decided(number, decided)
                self.shell.decide(decided)
            for check in effects.check:
                self.shell.check(check)
            for build in effects.build:
                self.shell.build(build)
            for fetch in effects.fetch:
                self.shell.catch_up(fetch)

    def _rotate(self) -> None:
        """C15: keep what still binds."""
        if self._records <= self.machine.rotate_records:
            return
        kept = self.replica.journal_snapshot()
        self._journal.rotate([encode(record) for record in kept])
        self._records = len(kept)

    def _tick(self) -> None:
        self.later(self.machine.tick_ms, self._tick)
        self.offer(Tick(self._schedule.now_ms))

    def _settle(self) -> None:
        self.later(SETTLE_MS, self._settle)
        self.shell.disseminate()

    def _head(self) -> LedgerHead:
        stored = self.ledger.blocks
        last = stored[-1]
        changed = max((s.block.header.height for s in stored if s.receipts), default=0)
        window = 2 * self.machine.config.window
        return LedgerHead(tuple(s.block for s in stored[-window:]), last.certificate, Height(changed))
