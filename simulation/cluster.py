"""The whole network in one process: nodes, links, faults, clients, traitors and checkers; a function of one plan."""

import random
from collections import Counter
from collections.abc import Callable, Collection
from functools import partial
from typing import Final

from chainnode.membership import Place
from consensus.epochs import EpochContext
from consensus.events import ALL, Decided, Effects, Event
from consensus.evidence import Evidence
from consensus.journal_records import JournalRecord, Trusted
from consensus.messages import MESSAGE_DECODER
from consensus.messages import Message as ConsensusMessage
from consensus.replica import Replica
from ledger.failures import FatalError
from primitives.block import header_digest
from primitives.certificate import Certificate
from primitives.codec import Malformed, decode_canonical, encode
from primitives.codes import Code
from primitives.genesis import validator_set
from primitives.hashing import Digest
from primitives.transaction import Decoded
from primitives.validators import Epoch, Height
from simulation.adaptive import Adversary
from simulation.byzantine import FORGE_MS, Traitor, gangs, villain_of
from simulation.checkers import Checkers
from simulation.intake import KnownTransactions
from simulation.machine import Machine, name_of
from simulation.narration import describe_step, kind_of
from simulation.network import Network
from simulation.node import Node
from simulation.parcels import Parcel
from simulation.plan import HEAL_LIMIT_MS, Change, Plan
from simulation.schedule import Schedule
from simulation.signatures import Ed25519, Modelled, Scheme
from simulation.stored import Stored, genesis_stored
from simulation.strategies.catalogue import STRATEGIES
from simulation.villain import Outbox
from simulation.world import change_of, next_key, payment, signed, world_of

CLIENT_PATIENCE_MS: Final = 2_000
CLIENT_RETRY_MS: Final = 300  # after a node that is down or refuses
TWIN_ROUND_MS: Final = 700
# Elements in one core per validator, some four times what the worst of the random runs took.
MEMORY_PER_MEMBER: Final = 120
Trace = Callable[[str], None]


def is_calm(plan: Plan) -> bool:
    """Whether traitors are the only trouble: then nobody may wait longer than the fair bound."""
    flaky = plan.loss_permille or plan.duplicate_permille or plan.tail_permille or plan.thinned
    return not (plan.faults or flaky or plan.drift_permille or plan.adversary)


class Cluster:
    """Build it from a plan, let time run, look at the nodes. The checkers raise AssertionError on the way."""

    def __init__(self, plan: Plan, trace: Trace | None = None) -> None:
        self.plan, self._trace = plan, trace
        self.schedule = Schedule()
        self.network = Network(self.schedule, plan.seed, plan.machines, plan.delay_ms, plan.jitter_ms)
        self.scheme: Scheme = Ed25519() if plan.real_signatures else Modelled()
        self.world = world_of(plan.nodes, plan.window, plan.handover_blocks)
        self.known = KnownTransactions(self.scheme.verify)
        members, start = validator_set(self.world.genesis), header_digest(self.world.block.header)
        self.context = EpochContext(self.world.chain_id, Epoch(0), members, Height(0), start)
        self.honest = [node for node in range(plan.machines) if node not in plan.byzantine]
        self.checkers = Checkers(
            self.context, self.scheme.verify, frozenset(self.honest), genesis_stored(self.world.block),
            MEMORY_PER_MEMBER * plan.machines, plan.window, lambda: self.schedule.now_ms,
            0 if is_calm(plan) else plan.heal_ms, None if is_calm(plan) else HEAL_LIMIT_MS,
        )  # fmt: skip
        self.adversary = Adversary(self.context, plan.adversary)
        self.done: set[Digest] = set()  # transactions that an honest node has executed
        self.counts: Counter[str] = Counter()
        self._decoded: dict[bytes, ConsensusMessage | None] = {}  # None: does not decode
        self._draw = random.Random(f"{plan.seed}/thinning")
        self.thinned = dict(plan.thinned)
        self._sides: dict[tuple[int, int, int], int] = {}
        self.traitors: dict[int, Traitor] = {}  # by machine
        self._gangs = gangs(plan)
        self.nodes: dict[int, Node] = {}
        self._machines: dict[int, list[int]] = {node: [node] for node in range(plan.machines)}
        for node in range(plan.machines):
            self._add_machine(node, node)
        for node, role in plan.byzantine.items():
            if STRATEGIES[role].twin:
                self._machines[node].append(plan.machines + node)
                self._add_machine(plan.machines + node, node)
        for number in self.traitors:
            self.schedule.after(FORGE_MS + number, partial(self._forge, number))

    def _add_machine(self, number: int, identity: int) -> None:
        plan, sign = self.plan, self.scheme.signer(identity)
        draw = random.Random(f"{plan.seed}/node/{number}")
        if identity in plan.byzantine:
            villain = villain_of(plan, number, identity, self.context, sign, self._gangs[identity])
            self.traitors[number] = Traitor(plan, number, plan.byzantine[identity], villain)
        keys = self.scheme.key(f"vote/{identity}"), self.scheme.key(next_key(identity))
        machine = Machine(
            number, identity, keys, self.scheme.verify, plan.sync_ms,
            plan.execution_ms, plan.tick_ms, plan.rotate_bytes, draw.randint(-plan.skew_ms, plan.skew_ms),
            draw.randint(-plan.drift_permille, plan.drift_permille),
        )  # fmt: skip
        self.nodes[number] = Node(machine, self.world, self.known, self.schedule, draw, self, self._transmit)

    # Time.

    def run_until(self, until_ms: int) -> None:
        """Let everything happen that is due before this virtual time."""
        while self.schedule.next_ms < until_ms and self.schedule.step():
            pass
        self.schedule.now_ms = max(self.schedule.now_ms, until_ms)

    # Clients.

    def submit(self, number: int, node: int) -> Digest:
        """A client hands in transaction `number`; it goes on to the next node until it is decided. Returns its id."""
        decoded = self.known.decode(payment(self.world, self.scheme, number, self.schedule.now_ms))
        self._attempt(decoded, node)
        return decoded.id

    def change(self, number: int, change: Change) -> Digest:
        """The operator hands in a change of the validators, as a client does. Returns its id."""
        body = change_of(self.world, self.scheme, change)
        decoded = self.known.decode(signed(self.world, self.scheme, "operator", number, body, self.schedule.now_ms))
        self._attempt(decoded, number % self.plan.nodes)
        return decoded.id

    def _attempt(self, decoded: Decoded, node: int) -> None:
        if decoded.id in self.done:
            return
        target, wait = self.nodes[node], CLIENT_RETRY_MS
        if target.reachable:
            code = target.take(decoded)
            self.note(node, f"takes transaction {decoded.id.hex()[:8]}: {code.name}")
            if code is Code.OK:
                self.checkers.submitted(node, decoded.id)
                wait = CLIENT_PATIENCE_MS
        following = (node + 1) % self.plan.machines
        self.schedule.after(wait, lambda: self._attempt(decoded, following))

    # Messages.

    def _transmit(self, number: int, receiver: int, parcel: Parcel) -> None:
        traitor, sender = self._traitor(number), self.nodes[number].me
        if traitor is None:
            self._post(number, sender, receiver, parcel)
        else:
            self._mail(number, traitor.sends(receiver, parcel))

    def _traitor(self, number: int) -> Traitor | None:
        """The one that commands a machine, told where that stands."""
        traitor, node = self.traitors.get(number), self.nodes[number]
        if traitor is not None:
            traitor.at(node.replica.view, self.schedule.now_ms)
            traitor.villain.root_of = node.root_if_held
        return traitor

    def _mail(self, number: int, letters: Outbox) -> None:
        """Letters of a traitor: now, or as late as it wants."""
        sender = self.nodes[number].me
        for receiver, parcel, delay_ms in letters:
            if delay_ms:
                self.schedule.after(delay_ms, partial(self._post, number, sender, receiver, parcel))
            else:
                self._post(number, sender, receiver, parcel)

    def _forge(self, number: int) -> None:
        self.schedule.after(FORGE_MS, lambda: self._forge(number))
        node, traitor = self.nodes[number], self._traitor(number)
        if node.up and traitor is not None and not traitor.forgets(node):
            self._mail(number, traitor.forges())

    def _post(self, number: int, sender: int, receiver: int, parcel: Parcel) -> None:
        lost = 0
        if isinstance(parcel, ConsensusMessage):
            known = self._through_codec(parcel)
            if known is None:
                assert number in self.traitors, f"the honest node {sender} sends what does not decode: {parcel}"
                self.counts["refused"] += 1
                return
            parcel = known
            lost = self.thinned.get(kind_of(known), 0) if self.thinned else 0
        targets = [node for node in range(self.plan.machines) if node != sender] if receiver == ALL else [receiver]
        for target in targets:
            machine = self._route(number, sender, target)
            if machine is not None and (not lost or self._draw.random() * 1000 >= lost):
                deliver = partial(self._deliver, sender, machine, self.nodes[machine].life, parcel)
                self._carry(sender, target, deliver, parcel)

    def _carry(self, sender: int, target: int, deliver: Callable[[], None], parcel: Parcel) -> None:
        """Over the link, unless the adversary wants it otherwise."""
        held: int | None = 0
        if self.adversary.left or self.adversary.last_ms:
            if isinstance(parcel, ConsensusMessage):
                held = self.adversary.holds(sender, target, parcel, self.schedule.now_ms)
                self.checkers.fairness.quiet_ms = max(self.checkers.fairness.quiet_ms, self.adversary.last_ms)
            if held is None:
                self.counts["cut by the adversary"] += 1
                return
        if held:
            self.counts["held by the adversary"] += 1
            self.schedule.after(held, partial(self.network.send, sender, target, deliver))
        else:
            self.network.send(sender, target, deliver)

    def _through_codec(self, message: ConsensusMessage) -> ConsensusMessage | None:
        """Encode and decode, as two sockets would; None if it does not decode. Each node checks it for itself."""
        raw = encode(message)
        if raw not in self._decoded:
            try:
                self._decoded[raw] = decode_canonical(MESSAGE_DECODER, raw)
            except Malformed:
                self._decoded[raw] = None
        return self._decoded[raw]

    def _route(self, number: int, sender: int, target: int) -> int | None:
        """The machine that hears it: of twins each talks to a part of the others that changes every round."""
        round_number = self.schedule.now_ms // TWIN_ROUND_MS
        if (
            len(self._machines[sender]) > 1
            and number != self._machines[sender][self._side(sender, target, round_number)]
        ):
            return None
        machines = self._machines[target]
        return machines[self._side(target, sender, round_number)] if len(machines) > 1 else machines[0]

    def _side(self, twin: int, other: int, round_number: int) -> int:
        key = twin, other, round_number
        if key not in self._sides:
            self._sides[key] = random.Random(f"{self.plan.seed}/{key}").randrange(2)
        return self._sides[key]

    def _deliver(self, sender: int, machine: int, life: int, parcel: Parcel) -> None:
        """A line ends with the process at its end; what consensus says may come all the same, which is harder."""
        node = self.nodes[machine]
        if node.up and (node.life == life or isinstance(parcel, ConsensusMessage)):
            traitor = self._traitor(machine)
            if traitor is None:
                node.receive(sender, parcel)
                return
            heard = traitor.hears(sender, parcel)
            if heard is not None:
                node.receive(sender, heard)
                self._mail(machine, traitor.answers(heard))

    # What the nodes report: on to the checkers and the trace.

    def note(self, node: int, line: str) -> None:
        """A line of the trace."""
        if self._trace is not None:
            self._trace(f"{self.schedule.now_ms:7} ms  node {node}  {line}")

    def started(self, node: int, kept: list[JournalRecord], height: int) -> None:
        """See Watcher."""
        if node in self.nodes and self.nodes[node].disks.forgetful:
            self.checkers.conduct.wiped.add(node)
        self.note(node, f"starts with {len(kept)} records at height {height}")
        self.checkers.started(node, kept, height)
        if node in self.checkers.conduct.wiped:
            self.checkers.conduct.started(node, 0)  # it stands where its disk says; what it signs is judged as ever

    def synced(self, node: int, records: list[JournalRecord]) -> None:
        """See Watcher."""
        if node in self.checkers.conduct.wiped and any(isinstance(record, Trusted) for record in records):
            self._weigh_memory(node)
        self.checkers.synced(node, records)

    def _weigh_memory(self, node: int) -> None:
        """Its probation is over without a finding. Had it forgotten promises and so many members remembered more of its
        key that any q - 1 of them include f + 1, that would be a bug: the checkers say so at its next contradiction."""
        rooms = self.nodes[node].rooms
        members, seat, epoch = rooms.membership.members, rooms.membership.me, rooms.membership.place.context.epoch
        replica = rooms.driver.replica
        own = replica.remembered(seat)
        remember = sum(
            other.up and other.rooms.membership.place.context.epoch == epoch
            and other.rooms.driver.replica.remembered(seat) > own
            for number, other in self.nodes.items() if number != node
        )  # fmt: skip
        few = remember < members.faulty + 1 + members.size - members.quorum
        signs = replica.abstains is None  # else there is nothing to forgive
        if few and signs and self.checkers.forgot(node, epoch):
            self.counts["forgotten by too many"] += 1
            self.checkers.forgive(node, epoch)

    def sends(self, node: int, receiver: int, message: ConsensusMessage) -> None:
        """See Watcher."""
        self.checkers.sends(node, receiver, message)

    def stepped(self, node: int, replica: Replica, event: Event, effects: Effects) -> None:
        """See Watcher."""
        if self._trace is not None:
            self._trace_step(node, replica, event, effects)
        self.checkers.stepped(node, replica, event, effects)

    def decided(self, node: int, decided: Decided) -> None:
        """See Watcher."""
        self.counts["decided"] += 1
        self.note(node, f"decides {decided.height} {header_digest(decided.block.header).hex()[:8]}")
        self.checkers.decided(node, decided)

    def executed(self, node: int, stored: Stored) -> None:
        """See Watcher."""
        if node in self.honest:
            self.done.update(stored.receipts)
        self.checkers.executed(node, stored)

    def running(self) -> Collection[int]:
        """See Watcher."""
        return {node.me for node in self.nodes.values() if node.up}

    def rejected(self, node: int, sender: int, reason: str) -> None:
        """See Watcher."""
        self.counts["refused"] += 1
        assert not self._both_honest(node, sender), f"node {node} refuses what the honest {sender} sent: {reason}"

    def blamed(self, node: int, other: int, reason: str) -> None:
        """See Watcher."""
        self.note(node, f"blames {other}: {reason}")
        self.checkers.conduct.hears_blame(other, reason)
        if node == other and node in self.checkers.conduct.wiped:
            return  # it found out that it has forgotten promises, and abstains
        if not {node, other} & self.plan.weakened():
            assert not self._both_honest(node, other), f"node {node} blames the honest {other}: {reason}"

    def accused(self, node: int, other: int, evidence: Evidence) -> None:
        """See Watcher."""
        self.note(node, f"holds evidence against {other}")
        faithful = other not in self.checkers.conduct.forgiven
        assert not (faithful and self._both_honest(node, other)), f"node {node} accuses the honest {other}: {evidence}"

    def forked(self, node: int, certificate: Certificate) -> None:
        """See Watcher."""
        assert node not in self.honest, f"FORK: node {node} holds {certificate}, which its chain contradicts"

    def turned(self, node: int, place: Place) -> None:
        """See Watcher."""
        context = place.context
        self.note(node, f"is in epoch {context.epoch} on seat {place.me}")
        if context.epoch > self.context.epoch and node in self.honest:
            self.context = context
            seats = {n: seat for n in self.honest if (seat := place.members.named(name_of(n))) is not None}
            self.checkers.opens(context, seats)
            self.counts["epochs"] += 1
        if node in self.honest:
            self.checkers.enters(node, context.epoch)
        if node in self.traitors:
            self.traitors[node].villain.context = place.context

    def stopped(self, node: int, failure: FatalError) -> None:
        """See Watcher."""
        self.counts[f"stopped by {type(failure).__name__}"] += 1
        self.note(node, f"stops: {failure}")

    def _both_honest(self, node: int, other: int) -> bool:
        return node in self.honest and other in self.honest

    def _trace_step(self, node: int, replica: Replica, event: Event, effects: Effects) -> None:
        line = describe_step(replica, event, effects)
        if line:
            self.note(node, line)
