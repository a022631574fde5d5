"""The whole network in one process: nodes, links, faults, clients, traitors and checkers; a function of one plan."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from consensus.epochs import EpochContext
from consensus.events import ALL, Decided, Effects, Event
from consensus.journal_records import JournalRecord
from consensus.messages import MESSAGE_DECODER, Message
from consensus.replica import Replica
from consensus.settings import ReplicaConfig
from consensus.verification import check_message
from ledger.failures import FatalError
from primitives import merkle
from primitives.block import Batch, Block, Header, batches_root, header_digest, tx_root
from primitives.codec import Malformed, decode_canonical, encode
from primitives.hashing import TAG_GENESIS, TAG_TRANSACTION, ZERO_DIGEST, Digest, tagged_hash
from primitives.validators import Epoch, Height, NodeId, Validator, ValidatorSet
from simulation.adaptive import Adversary
from simulation.application import GENESIS_STATE_ROOT, Stored, genesis_ledger
from simulation.byzantine import FORGE_MS, Traitor, gangs, villain_of
from simulation.checkers import Checkers
from simulation.narration import describe_step, kind_of
from simulation.network import Network
from simulation.node import SHELL_PARCELS, Machine, Node
from simulation.parcels import Parcel
from simulation.plan import HEAL_LIMIT_MS, Plan
from simulation.schedule import Schedule
from simulation.shell import WALL_MS
from simulation.signatures import Ed25519, Modelled, Scheme
from simulation.strategies.catalogue import STRATEGIES
from simulation.villain import Outbox

CLIENT_PATIENCE_MS: Final = 2_000
TWIN_ROUND_MS: Final = 700
# Elements in one core per validator, some four times what the worst of the random runs took.
MEMORY_PER_MEMBER: Final = 120
Trace = Callable[[str], None]


@dataclass(frozen=True)
class _Known:
    """What the link layer found out about some bytes."""

    message: Message
    fault: str | None


def is_calm(plan: Plan) -> bool:
    """Whether traitors are the only trouble: then nobody may wait longer than the fair bound."""
    flaky = plan.loss_permille or plan.duplicate_permille or plan.tail_permille or plan.thinned
    return not (plan.faults or flaky or plan.drift_permille or plan.adversary)


def genesis_block(members: ValidatorSet) -> Block:
    """Height 0 of the simulated chain."""
    header = Header(
        epoch=0, height=0, parent=ZERO_DIGEST, batches_root=batches_root(()), tx_root=tx_root(()), exec_height=0,
        state_root=GENESIS_STATE_ROOT, receipts_root=merkle.EMPTY_ROOT, cert_height=0, cert_hash=ZERO_DIGEST,
        valset_hash=members.hash, next_valset_hash=None, time_ms=WALL_MS - 1, proposer=0,
    )  # fmt: skip
    return Block(header, (), None)


class Cluster:
    """Build it from a plan, let time run, look at the nodes. The checkers raise AssertionError on the way."""

    def __init__(self, plan: Plan, trace: Trace | None = None) -> None:
        self.plan, self._trace = plan, trace
        self.schedule = Schedule()
        self.network = Network(self.schedule, plan.seed, plan.nodes, plan.delay_ms, plan.jitter_ms)
        self.scheme: Scheme = Ed25519(plan.seed, plan.nodes) if plan.real_signatures else Modelled(plan.seed)
        members = ValidatorSet(tuple(Validator(f"node{i}", self.scheme.public_key(i), b"") for i in range(plan.nodes)))
        self.genesis = genesis_block(members)
        chain_id = tagged_hash(TAG_GENESIS, plan.seed.to_bytes(8, "big"))
        self.context = EpochContext(chain_id, Epoch(0), members, Height(0), header_digest(self.genesis.header))
        self.honest = [node for node in range(plan.nodes) if node not in plan.byzantine]
        self.checkers = Checkers(
            self.context,
            self.scheme.verify,
            frozenset(self.honest),
            genesis_ledger(self.genesis),
            MEMORY_PER_MEMBER * plan.nodes,
            plan.window,
            lambda: self.schedule.now_ms,
            0 if is_calm(plan) else plan.heal_ms,
            None if is_calm(plan) else HEAL_LIMIT_MS,
        )
        self.adversary = Adversary(self.context, plan.adversary)
        self.done: set[Digest] = set()  # transactions that an honest node has executed
        self.counts: Counter[str] = Counter()
        self._known: dict[bytes, _Known] = {}
        self._sequence = 0
        self._draw = random.Random(f"{plan.seed}/thinning")
        self.thinned = dict(plan.thinned)
        self._sides: dict[tuple[int, int, int], int] = {}
        self.traitors: dict[int, Traitor] = {}  # by machine
        self._gangs = gangs(plan)
        self.nodes: dict[int, Node] = {}
        self._machines: dict[int, list[int]] = {node: [node] for node in range(plan.nodes)}
        for node in range(plan.nodes):
            self._add_machine(node, node)
        for node, role in plan.byzantine.items():
            if STRATEGIES[role].twin:
                self._machines[node].append(plan.nodes + node)
                self._add_machine(plan.nodes + node, node)
        for number in self.traitors:
            self.schedule.after(FORGE_MS + number, partial(self._forge, number))

    def _add_machine(self, number: int, identity: int) -> None:
        plan, sign = self.plan, self.scheme.signer(identity)
        draw = random.Random(f"{plan.seed}/node/{number}")
        if identity in plan.byzantine:
            villain = villain_of(plan, number, identity, self.context, sign, self._gangs[identity])
            self.traitors[number] = Traitor(plan, number, plan.byzantine[identity], villain)
        machine = Machine(
            number,
            ReplicaConfig(self.context, NodeId(identity), sign, plan.window),
            self.scheme.verify,
            plan.sync_ms,
            plan.execution_ms,
            plan.tick_ms,
            plan.rotate_records,
            draw.randint(-plan.skew_ms, plan.skew_ms),
            draw.randint(-plan.drift_permille, plan.drift_permille),
        )
        self.nodes[number] = Node(machine, genesis_ledger(self.genesis), self.schedule, draw, self, self._transmit)

    # Time.

    def run_until(self, until_ms: int) -> None:
        """Let everything happen that is due before this virtual time."""
        while self.schedule.next_ms < until_ms and self.schedule.step():
            pass
        self.schedule.now_ms = max(self.schedule.now_ms, until_ms)

    # Clients.

    def submit(self, number: int, node: int) -> Digest:
        """A client hands in transaction `number`; it goes on to the next node until it is decided. Returns its id."""
        raw = number.to_bytes(8, "big") * 4
        identity = tagged_hash(TAG_TRANSACTION, raw)
        self._attempt(raw, identity, node)
        return identity

    def _attempt(self, raw: bytes, identity: Digest, node: int) -> None:
        if identity in self.done:
            return
        target = self.nodes[node]
        wait = CLIENT_PATIENCE_MS
        if target.up:
            self._sequence += 1
            self.checkers.submitted(node, identity)
            self.note(node, f"takes transaction {identity.hex()[:8]} in batch {self._sequence}")
            target.shell.take_batch(encode(Batch(node, self._sequence, (raw,))), own=True)
        else:
            wait = 300
        following = (node + 1) % self.plan.nodes
        self.schedule.after(wait, lambda: self._attempt(raw, identity, following))

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
            traitor.villain.root_of = node.shell.application.root_if_held
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
        if not isinstance(parcel, SHELL_PARCELS):
            known = self._through_codec(sender, parcel)
            if known is None or known.fault is not None:
                assert number in self.traitors, (
                    f"{known and known.fault}: refused, but sent by the honest node {sender}"
                )
                self.counts["refused"] += 1
                return
            parcel = known.message
            lost = self.thinned.get(kind_of(parcel), 0) if self.thinned else 0
        targets = [node for node in range(self.plan.nodes) if node != sender] if receiver == ALL else [receiver]
        for target in targets:
            machine = self._route(number, sender, target)
            if machine is not None and (not lost or self._draw.random() * 1000 >= lost):
                self._carry(sender, target, partial(self._deliver, sender, machine, parcel), parcel)

    def _carry(self, sender: int, target: int, deliver: Callable[[], None], parcel: Parcel) -> None:
        """Over the link, unless the adversary wants it otherwise."""
        held: int | None = 0
        if self.adversary.left or self.adversary.last_ms:
            if not isinstance(parcel, SHELL_PARCELS):
                held = self.adversary.holds(sender, target, parcel, self.schedule.now_ms)
            if held is None:
                self.counts["cut by the adversary"] += 1
                return
        if held:
            self.counts["held by the adversary"] += 1
            self.schedule.after(held, partial(self.network.send, sender, target, deliver))
        else:
            self.network.send(sender, target, deliver)

    def _through_codec(self, sender: int, message: Message) -> _Known | None:
        """Encode, decode, verify, as two sockets and a verifier would; None if it does not even decode."""
        raw = encode(message)
        known = self._known.get(raw)
        if known is None:
            try:
                decoded: Message = decode_canonical(MESSAGE_DECODER, raw)
            except Malformed:
                return None
            fault = check_message(decoded, NodeId(sender), self.context, self.scheme.verify)
            known = self._known[raw] = _Known(decoded, fault)
        return known

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

    def _deliver(self, sender: int, machine: int, parcel: Parcel) -> None:
        node = self.nodes[machine]
        if node.up:
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
        self.note(node, f"starts with {len(kept)} records at height {height}")
        self.checkers.started(node, kept, height)

    def synced(self, node: int, records: list[JournalRecord]) -> None:
        """See Watcher."""
        self.checkers.synced(node, records)

    def sends(self, node: int, receiver: int, message: Message) -> None:
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

    def refused(self, node: int, block: Block) -> None:
        """See Watcher."""
        self.note(node, f"refuses the content of {block.header.height} {header_digest(block.header).hex()[:8]}")
        self.checkers.refused(node, block)

    def stopped(self, node: int, failure: FatalError) -> None:
        """See Watcher."""
        self.counts[f"stopped by {type(failure).__name__}"] += 1
        self.note(node, f"stops: {failure}")

    def _trace_step(self, node: int, replica: Replica, event: Event, effects: Effects) -> None:
        line = describe_step(replica, event, effects)
        if line:
            self.note(node, line)
