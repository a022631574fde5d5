"""One simulated node: the product's rooms over disks in memory, and the turns that the product's tasks run.

The order is the product's: a turn of the driver, its records appended and synced, and only then do messages leave and
decisions go on (S9); a block is executed, written, and only then acknowledged (C15). A power cut loses what was not
synced.
"""

import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from chainnode.driver import Turn
from chainnode.execution_queue import Begun, Timing, Work
from chainnode.executor import Execution
from chainnode.membership import Place
from chainnode.mempool import MempoolLimits
from chainnode.rooms import Ledger, Rooms
from chainnode.wire import Message
from consensus.events import ALL, Decided
from consensus.evidence import Evidence
from consensus.messages import Message as ConsensusMessage
from consensus.replica import Replica
from ledger.failures import FatalError, JournalDamaged
from points.invariants import violations
from primitives.block import header_digest
from primitives.certificate import Certificate
from primitives.codec import Malformed
from primitives.codes import Code
from primitives.hashing import Digest
from primitives.transaction import Decoded
from primitives.validators import NodeId
from simulation.disks import Disks
from simulation.intake import Intake, KnownTransactions, admit
from simulation.machine import OBSERVERS_FROM, Machine, NodeClock, Watcher, name_of, number_of
from simulation.schedule import Schedule
from simulation.stored import WALL_MS, Stored
from simulation.world import World

BUFFER_PARCELS: Final = 2_000  # that the network keeps for a stopped process
RETRY_START_MS: Final = 300  # a supervisor starts a process again that ended by itself


class Node:
    """A machine that can be switched off and on."""

    def __init__(
        self, machine: Machine, world: World, known: KnownTransactions, schedule: Schedule, draw: random.Random,
        watcher: Watcher, transmit: Callable[[int, int, Message], None],
    ) -> None:  # fmt: skip
        """transmit(machine number, receiving identity or ALL, message)."""
        self.machine, self._world, self._known = machine, world, known
        self.me: Final = machine.identity
        self._schedule, self._draw, self._watcher, self._transmit = schedule, draw, watcher, transmit
        self.disks = Disks(world)
        self.up = False
        self.lag_ms = 0  # until what comes in is looked at
        self.sync_lag_ms = 0  # of a slow disk
        self.jump_ms = 0  # of the wall clock
        self.syncs = 0  # since the birth of the node
        self.power_cut: tuple[int, bool] | None = None  # (number of the sync, whether the sync still happened)
        self._paused = False
        self._frozen: list[Callable[[], None]] = []  # what falls due while the process is stopped
        self._life = 0  # counts the starts, so that what was scheduled in one life does not reach the next
        self._turning = self._executing = self._turn_due = self._queue_due = False
        self._packing_at: int | None = None
        self.start()

    # ---- switching

    def start(self) -> None:
        """Switch on: open the disks, restore the rooms, begin to tick. What fails is tried again later."""
        assert not self.up, "a node starts once per life"
        self._life += 1
        try:
            ledger, records = self.disks.open()
        except JournalDamaged as damage:
            self._watcher.stopped(self.machine.number, damage)
            self.disks.resync(self.epoch)
            self._retry()
            return
        except FatalError as failure:
            self._stop(failure)
            return
        self.up, self._paused = True, False
        self._turning = self._executing = self._turn_due = self._queue_due = False
        self._packing_at = None
        self._frozen.clear()
        self._watcher.started(self.machine.number, records, ledger.chain.head.height)
        self.rooms = self._furnished(ledger)
        self._watcher.turned(self.machine.number, self.rooms.membership.place)
        self.rooms.start()
        self.later(self._draw.randrange(self.machine.tick_ms), self._tick)

    def _furnished(self, ledger: Ledger) -> Rooms:
        machine, genesis = self.machine, self._world.genesis
        limits = MempoolLimits(genesis.limits.batch_transactions, genesis.limits.batch_bytes)
        rooms = Rooms(
            genesis, ledger, lambda: machine.keys, limits, NodeClock(self.wall_ms), self.now_ms, self, self,
            machine.verify, lambda rooms: Intake(rooms, self._known, self.now_ms),
        )  # fmt: skip
        self._journal = ledger.journal
        rooms.driver.rotate_bytes = machine.rotate_bytes
        rooms.driver.watch = partial(self._watcher.stepped, self.machine.number)
        return rooms

    def crash(self) -> None:
        """Power cut: memory and everything not synced is gone; the tail may be torn."""
        if self.up:
            self._lose_power()

    def _lose_power(self) -> None:
        """What was not synced is there up to some point, or any part of it; a disk reorders."""
        self.up = self._paused = False
        self._frozen.clear()
        self._life += 1
        files = self.disks.files
        pending = range(files.pending)
        prefix = range(self._draw.randint(0, len(pending)))
        kept = prefix if self._draw.random() < 0.5 else [i for i in pending if self._draw.random() < 0.5]
        files.crash(kept, self._draw.choice((None, 0, 3, 30, 200)))

    def _stop(self, failure: FatalError) -> None:
        """The process ends at the first error of its disk and is started again; what was not synced may be lost."""
        self._watcher.stopped(self.machine.number, failure)
        self._lose_power()
        self._retry()

    def _retry(self) -> None:
        self._schedule.after(RETRY_START_MS, lambda: None if self.up else self.start())

    def pause(self) -> None:
        """Stop the process (SIGSTOP): nothing is lost, nothing happens; what comes in waits in bounded buffers."""
        self._paused = True

    def resume(self) -> None:
        """Let a stopped process go on; all that was due meanwhile happens now."""
        self._paused = False
        frozen, self._frozen = self._frozen, []
        for action in frozen:
            self.later(0, action)

    def wipe(self) -> None:
        """While it is off, the disks are replaced by empty ones."""
        assert not self.up, "a running node keeps its disk"
        self.disks.wipe()

    @property
    def reachable(self) -> bool:
        """Whether a client finds it."""
        return self.up and not self._paused

    # ---- looking in

    @property
    def replica(self) -> Replica:
        """The core of the last life."""
        return self.rooms.driver.replica

    @property
    def height(self) -> int:
        """Of the ledger."""
        return self.rooms.chain.head.height

    @property
    def epoch(self) -> int:
        """That the node stands in."""
        return self.rooms.membership.place.context.epoch

    def waiting(self) -> int:
        """Transactions in the pool and batches in the store that no executed block settled yet. Without a seat nothing
        obliges it: what it held when it left waits for its end."""
        return 0 if not self.rooms.has_seat else self.rooms.mempool.counts.held + self.rooms.store.waiting(())

    def books(self) -> list[str]:
        """What the invariants of the points rules say about its state; nothing if all is well."""
        return violations(self.rooms.executor.cache, self.rooms.executor.time_s)

    def root_if_held(self, digests: Sequence[bytes]) -> Digest | None:
        """The tx_root of these batches if all are in the store or in the ledger."""
        return self._known.root([self.rooms.bodies.raw(Digest(digest)) for digest in digests])

    def now_ms(self) -> int:
        """Virtual time."""
        return self._schedule.now_ms

    def wall_ms(self) -> int:
        """This node's wall clock."""
        now = self._schedule.now_ms
        return WALL_MS + now + now * self.machine.drift_permille // 1000 + self.machine.skew_ms + self.jump_ms

    # ---- what comes in

    def take(self, decoded: Decoded) -> Code:
        """A client's transaction."""
        code = admit(self.rooms, self._known, decoded, self.wall_ms() // 1000, self.now_ms())
        self.pack_due()
        return code

    def receive(self, sender: int, message: Message) -> None:
        """A message from the link of identity `sender`."""
        if self._paused:
            if len(self._frozen) < BUFFER_PARCELS:
                self._frozen.append(partial(self._take, sender, message))
        elif self.lag_ms:
            self.later(self.lag_ms, partial(self._take, sender, message))
        elif self.up:
            self._take(sender, message)

    def _take(self, sender: int, message: Message) -> None:
        seat = self.rooms.membership.members.named(name_of(sender))
        try:
            self.rooms.inbound.receive(NodeId(OBSERVERS_FROM + sender) if seat is None else seat, message)
        except FatalError as failure:  # a body that was asked for cannot be read
            self._stop(failure)
        except Malformed as error:
            self._watcher.rejected(self.machine.number, sender, str(error))

    @property
    def life(self) -> int:
        """Another number after each start and each crash."""
        return self._life

    def later(self, delay_ms: int, action: Callable[[], None]) -> None:
        """Run it in this life only; a disk that fails ends the life."""
        life = self._life

        def act() -> None:
            if self._life != life:
                return
            if self._paused:
                self._frozen.append(action)
                return
            try:
                action()
            except FatalError as failure:
                self._stop(failure)

        self._schedule.after(delay_ms, act)

    # ---- the turns (see chainnode/turns.py)

    def _tick(self) -> None:
        self.later(self.machine.tick_ms, self._tick)
        self.rooms.tick()

    def _turn(self) -> None:
        self._turn_due = False
        if self._turning or self.rooms.driver.idle:
            return
        self._turning = True
        turn = self.rooms.driver.begin()
        if turn.written:
            self.later(self.machine.sync_ms + self.sync_lag_ms, partial(self._synced, turn))
        else:
            self._end(turn)

    def _synced(self, turn: Turn) -> None:
        self.syncs += 1
        if self.power_cut == (self.syncs, False):
            self.crash()
            return
        self._journal.sync()
        self._watcher.synced(self.machine.number, turn.effects.persist)
        if self.power_cut == (self.syncs, True):
            self.crash()
            return
        self._end(turn)

    def _end(self, turn: Turn) -> None:
        for decided in turn.effects.decide:
            self._watcher.decided(self.machine.number, decided)
        self.rooms.driver.end(turn)
        self._turning = False
        if not self.rooms.driver.idle:
            self.driver_due()

    def _execute(self) -> None:
        self._queue_due = False
        begun = None if self._executing else self.rooms.queue.begin()
        if begun is not None:
            self._seal(begun)

    def _seal(self, begun: Begun) -> None:
        self._executing = True
        self.later(self.machine.execution_ms, partial(self._commit, self.rooms.queue.seal(begun)))

    def _commit(self, work: Work) -> None:
        following = self.rooms.queue.begin()  # its rules run beside the write
        self.rooms.queue.commit(work)
        self.rooms.evidence.write()
        self._executing = False
        self.rooms.queue.end(work)
        if following is not None:
            self._seal(following)
        else:
            self.queue_due()

    def _pack(self, due_ms: int) -> None:
        if self._packing_at == due_ms:
            self._packing_at = None
        self.rooms.pack()
        self.pack_due()

    # ---- rooms.Surroundings

    def driver_due(self) -> None:
        """See Surroundings."""
        if not self._turn_due:
            self._turn_due = True
            self.later(0, self._turn)

    def queue_due(self) -> None:
        """See Surroundings."""
        if not self._queue_due:
            self._queue_due = True
            self.later(0, self._execute)

    def pack_due(self) -> None:
        """See Surroundings."""
        pool, store = self.rooms.mempool, self.rooms.store
        due = pool.due_ms(store.own_busy) if store.own_room() else None
        if due is not None and (self._packing_at is None or due < self._packing_at):
            self._packing_at = due
            self.later(max(0, due - self.now_ms()), partial(self._pack, due))

    def executed(self, execution: Execution, decided: Decided, took: Timing, expired: Sequence[Digest]) -> None:
        """See Surroundings."""
        pairs = zip(execution.ids, execution.receipts, strict=True)
        done = tuple(identity for identity, receipt in pairs if receipt is not None)
        block = decided.block
        self._watcher.executed(
            self.machine.number, Stored(block, header_digest(block.header), execution.tree.root, done)
        )

    def blamed(self, name: str, reason: str) -> None:
        """See Surroundings."""
        self._watcher.blamed(self.machine.number, number_of(name), reason)

    def accused(self, name: str, evidence: Evidence) -> None:
        """See Surroundings."""
        self._watcher.accused(self.machine.number, number_of(name), evidence)

    def forked(self, certificate: Certificate) -> None:
        """See Surroundings."""
        self._watcher.forked(self.machine.number, certificate)

    def starved(self, name: str, batch: Digest) -> None:
        """See Surroundings."""

    def turned(self, place: Place) -> None:
        """See Surroundings."""
        self._watcher.turned(self.machine.number, place)

    # ---- rooms.Links

    def send(self, node: NodeId, message: Message) -> bool:
        """See Links."""
        receiver = self._identity(node)
        if receiver is None:
            return False
        if isinstance(message, ConsensusMessage):
            self._watcher.sends(self.machine.number, receiver, message)
        self._transmit(self.machine.number, receiver, message)
        return True

    def broadcast(self, message: Message) -> int:
        """See Links."""
        if isinstance(message, ConsensusMessage):
            self._watcher.sends(self.machine.number, ALL, message)
        self._transmit(self.machine.number, ALL, message)
        return len(self.connected())

    def connected(self) -> list[NodeId]:
        """See Links. Lines are up to every machine that runs: a process that ends closes its own."""
        members = self.rooms.membership.members
        seats = ((members.named(name_of(n)), n) for n in self._watcher.running() if n != self.me)
        return sorted(NodeId(OBSERVERS_FROM + n) if seat is None else seat for seat, n in seats)

    def charge(self, node: NodeId, cost: int, reason: str) -> bool:
        """See Links. The rooms tell of it through `blamed` as well; nobody is cut off here, traitors stay dangerous."""
        return True

    def ban(self, node: NodeId, reason: str) -> None:
        """See Links."""
        sender = self._identity(node)
        if sender is not None:
            self._watcher.rejected(self.machine.number, sender, reason)

    def _identity(self, node: NodeId) -> int | None:
        if node >= OBSERVERS_FROM:
            return node - OBSERVERS_FROM
        members = self.rooms.membership.members
        return number_of(members.at(node).name) if node in members else None
