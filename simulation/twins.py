"""Twins: f identities run twice, all cores are correct, and the network is cut anew in every round (arXiv 2004.10617).

Two correct cores under one key make equivocation, amnesia and lost votes out of correct code alone. A scenario is, per
round, a partition of all machines into two parts, and the order in which the members lead. Small scenarios are
enumerated without a gap, larger ones drawn. After the last round the network heals, and the honest must go on.

python -m simulation.twins [--rounds 2] [--random 2000] [--jobs 2]
"""

import argparse
import random
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from typing import Final

from msgspec.structs import replace

from consensus.epochs import EpochContext
from consensus.events import ALL, BlockBuilt, BlockChecked, BuildBlock, Event, Executed, Pending, Received, Tick
from consensus.messages import Message, NewView, Proposal, Status, ViewChange, Vote
from consensus.replica import Replica
from consensus.settings import LedgerHead, ReplicaConfig, Timing
from primitives.block import Block, Header, batches_root, header_digest, new_view_hash
from primitives.certificate import certificate_hash
from primitives.hashing import TAG_GENESIS, ZERO_DIGEST, Digest, tagged_hash
from primitives.validators import Epoch, Height, NodeId, Validator, ValidatorSet
from simulation.checkers import Checkers
from simulation.signatures import Modelled
from simulation.stored import genesis_block, genesis_stored

TIMING: Final = Timing(progress_ms=1_000, round_cap_ms=1_000, progress_cap_ms=1_000)  # no back-off: a view per round
TICK_MS: Final = 400
TICKS_PER_ROUND: Final = 3
BUILDS_PER_ROUND: Final = 2  # blocks that one machine may propose in a round
HEALED_ROUNDS_MAX: Final = 12
MESSAGES_MAX: Final = 20_000  # in one round: far more would be a storm
MEMORY_MAX: Final = 10_000


@dataclass(frozen=True)
class Scenario:
    """`parts[r]` has a bit per machine: who is in the second part in round r. Machines n, n + 1, ... are the twins of
    the identities 0, 1, ...; `leaders` is the order of leading."""

    nodes: int
    twins: int
    leaders: tuple[int, ...]
    parts: tuple[int, ...]


class Twins:
    """One scenario on real cores without any delay. Raises AssertionError when a rule is broken."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario, nodes = scenario, scenario.nodes
        scheme = Modelled()
        members = ValidatorSet(tuple(Validator(f"node{i}", scheme.public_key(i), b"") for i in range(nodes)))
        genesis = genesis_block(members)
        leaders = tuple(NodeId(i) for i in scenario.leaders)
        self.context = EpochContext(
            tagged_hash(TAG_GENESIS, b"twins"), Epoch(0), members, Height(0), header_digest(genesis.header), leaders
        )
        self.identity = [*range(nodes), *range(scenario.twins)]  # of each machine
        self.honest = range(scenario.twins, nodes)
        self.checkers = Checkers(
            self.context, scheme.verify, frozenset(self.honest), genesis_stored(genesis), MEMORY_MAX
        )
        self.now_ms = 0
        self.mail: deque[tuple[int, int, Message]] = deque()  # from machine, to machine
        self.builds: dict[int, BuildBlock] = {}
        self.built: dict[int, int] = {}
        self.decided = dict.fromkeys(range(len(self.identity)), 0)
        self.machines: list[Replica] = []
        for machine, identity in enumerate(self.identity):
            config = ReplicaConfig(self.context, NodeId(identity), scheme.signer(identity), timing=TIMING)
            self.checkers.started(machine, [], 0)
            self.machines.append(Replica(config, LedgerHead((genesis,), None, Height(0))))

    def play(self) -> None:
        """Everybody meets once, then the rounds, then all in one part until the honest have decided something new."""
        self.round(0, build=False)
        for machine in range(len(self.machines)):
            self.step(machine, Pending(1))
        for part in self.scenario.parts:
            self.round(part)
        before = max(self.decided[node] for node in self.honest)
        for _ in range(HEALED_ROUNDS_MAX):
            self.round(0)
            if min(self.decided[node] for node in self.honest) > before:
                return
        heights = {node: self.decided[node] for node in self.honest}
        raise AssertionError(f"LIVENESS: {HEALED_ROUNDS_MAX} rounds after healing the honest stand at {heights}")

    def round(self, part: int, build: bool = True) -> None:
        """Time for one view to end; what goes from one part to the other is lost."""
        self.built.clear()
        for _ in range(TICKS_PER_ROUND):
            self.now_ms += TICK_MS
            for machine in range(len(self.machines)):
                self.step(machine, Tick(self.now_ms))
            for _ in range(BUILDS_PER_ROUND * build + 1):
                self._settle(part)
                for machine in list(self.builds) if build else []:
                    self._build(machine)
        self._settle(part)

    def _settle(self, part: int) -> None:
        count = 0
        while self.mail:
            sender, receiver, message = self.mail.popleft()
            count += 1
            assert count < MESSAGES_MAX, f"STORM: {count} messages in one round"
            heard = self._heard(receiver, message)
            if part >> sender & 1 == part >> receiver & 1 and heard is not None:
                self.step(receiver, Received(NodeId(self.identity[sender]), heard))

    def _heard(self, receiver: int, message: Message) -> Message | None:
        """A core that meets its own foreign signature stops voting (T3): twins are kept from noticing each other."""
        identity = self.identity[receiver]
        if self.identity.count(identity) == 1:
            return message
        match message:
            case Vote() if message.signer == identity:
                return None
            case ViewChange() if message.summary.signer == identity:
                return None
            case Proposal() | NewView() if self.context.leader(message.view) == identity:
                return None
            case Status():
                return replace(message, seen=tuple(place for place in message.seen if place[0] != identity))
            case _:
                return message

    def step(self, machine: int, event: Event) -> None:
        """One step; checks are answered at once, blocks are executed at once, building waits for its turn."""
        replica, node = self.machines[machine], self.identity[machine]
        effects = replica.step(event)
        self.checkers.synced(machine, effects.persist)
        self.checkers.stepped(machine, replica, event, effects)
        for receiver, message in effects.send:
            self.checkers.sends(machine, receiver, message)
            for target, identity in enumerate(self.identity):
                if identity != node and receiver in (ALL, identity):
                    self.mail.append((machine, target, message))
        for decided in effects.decide:
            self.checkers.decided(machine, decided)
            self.decided[machine] = decided.height
        for request in effects.build:
            self.builds[machine] = request
        for decided in effects.decide:
            self.step(machine, Executed(decided.height, changed=False))
        for check in effects.check:
            self.step(machine, BlockChecked(check.digest, True))

    def _build(self, machine: int) -> None:
        """A block that says which machine made it: twins that lead propose two."""
        if self.built.get(machine, 0) >= BUILDS_PER_ROUND:
            return
        self.built[machine] = self.built.get(machine, 0) + 1
        request = self.builds.pop(machine)
        body = (Digest(bytes([machine]) * 24 + request.height.to_bytes(8, "big")),)
        certificate = request.certificate
        header = Header(
            epoch=0, height=request.height, parent=request.parent, batches_root=batches_root(body), tx_root=body[0],
            exec_height=request.exec_height_min, state_root=ZERO_DIGEST, receipts_root=ZERO_DIGEST,
            cert_height=0 if certificate is None else certificate.height,
            cert_hash=ZERO_DIGEST if certificate is None else certificate_hash(certificate),
            valset_hash=self.context.members.hash, next_valset_hash=None,
            time_ms=request.parent_block.header.time_ms + 1, proposer=self.identity[machine],
            new_view_hash=None if request.new_view is None else new_view_hash(request.new_view),
        )  # fmt: skip
        block = Block(header, body, certificate, request.new_view)
        self.step(machine, BlockBuilt(request.view, request.height, block))


def enumerated(rounds: int) -> Iterator[Scenario]:
    """n = 4, f = 1: every two-part partition in every round, every order of leaders between the twin and two others."""
    machines = 5
    partitions = range(2 ** (machines - 1))  # the last machine, the second twin, is in the first part
    for first in product((0, 1, 2), repeat=rounds + 1):
        leaders = (*first, *(i for i in range(4) if i not in first))
        for parts in product(partitions, repeat=rounds):
            yield Scenario(4, 1, leaders, parts)


def drawn(nodes: int, count: int, first: int = 0) -> Iterator[Scenario]:
    """Random scenarios of three to six rounds with f twins."""
    twins = (nodes - 1) // 3
    for seed in range(first, first + count):
        draw = random.Random(f"twins/{nodes}/{seed}")
        rounds = draw.randint(3, 6)
        order = [draw.randrange(twins) if draw.random() < 0.5 else draw.randrange(nodes) for _ in range(rounds)]
        leaders = (*order, *range(nodes))
        yield Scenario(nodes, twins, leaders, tuple(draw.randrange(2 ** (nodes + twins - 1)) for _ in range(rounds)))


def play(scenario: Scenario) -> str:
    """The broken rule in words, empty for a clean run."""
    try:
        Twins(scenario).play()
    except AssertionError as error:
        return f"{type(error).__name__}: {error}\n  {scenario}"
    return ""


def play_all(scenarios: Iterable[Scenario], jobs: int) -> tuple[int, list[str]]:
    """(how many were played, the failures)."""
    count, failures = 0, []
    with ProcessPoolExecutor(jobs) as pool:
        for failure in pool.map(play, scenarios, chunksize=64):
            count += 1
            if failure:
                failures.append(failure)
    return count, failures


def main() -> int:
    """The command; exit code 1 on any failure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2, help="of the enumerated scenarios")
    parser.add_argument("--random", type=int, default=2_000, help="drawn scenarios of each size")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    failed = False
    for name, scenarios in (
        (f"n=4 f=1, all of {options.rounds} rounds", enumerated(options.rounds)),
        ("n=4 f=1, drawn", drawn(4, options.random)),
        ("n=7 f=2, drawn", drawn(7, options.random)),
    ):
        started = time.monotonic()
        count, failures = play_all(scenarios, options.jobs)
        print(*failures[:10], sep="\n")
        seconds = time.monotonic() - started
        print(f"{name:26} {count:7} scenarios in {seconds:.0f} s, {len(failures)} failed", flush=True)
        failed = failed or bool(failures)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
