"""What one simulated run does, as data: drawn from a seed, kept as JSON when it once failed, replayed for ever."""

import random
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from simulation.roles import Role

DISTURBED_MS: Final = 6_000  # faults are drawn inside this time in most runs; after it the network heals
HEAL_LIMIT_MS: Final = 60_000  # from then on everything pending must be decided within this
FAULTS_MAX: Final = 6
KINDS: Final = ("PROPOSE", "PREPARE", "COMMIT", "VIEWCHANGE", "NEWVIEW", "STATUS", "CERTIFICATE", "BLOCKS", "WANT")


class FaultKind(StrEnum):
    PARTITION = "partition"  # `nodes` against the rest, both ways
    DEAF = "deaf"  # `nodes` receive nothing
    DUMB = "dumb"  # nothing that `nodes` send arrives
    ISOLATE_LEADER = "isolate-leader"  # whoever leads when it starts
    CRASH = "crash"  # power cut of `nodes`: unsynced writes are lost
    CRASH_ALL = "crash-all"  # of everybody, restarted one after the other
    PAUSE = "pause"  # `nodes` are stopped and go on later
    SLOW = "slow"  # `nodes` need 150 ms for everything
    LOSS = "loss"  # `permille` of all messages


class Fault(msgspec.Struct, frozen=True):
    """One disturbance from `at_ms` to `until_ms`."""

    kind: FaultKind
    at_ms: int
    until_ms: int
    nodes: tuple[int, ...] = ()
    permille: int = 0


class Submission(msgspec.Struct, frozen=True):
    """A client hands one batch to `node`; it comes back after a restart of the node until the batch is decided."""

    at_ms: int
    node: int


class Plan(msgspec.Struct, frozen=True):
    """Everything a run depends on besides the code."""

    seed: int  # of the random streams of network, disks, application and roles
    nodes: int
    byzantine: dict[int, Role]
    faults: tuple[Fault, ...]
    submissions: tuple[Submission, ...]
    heal_ms: int = DISTURBED_MS
    real_signatures: bool = False
    delay_ms: int = 10
    jitter_ms: int = 5
    loss_permille: int = 0
    duplicate_permille: int = 0
    tail_permille: int = 0
    thinned: dict[str, int] = {}  # kind of message (narration.kind_of) -> permille that is lost until healing
    sync_ms: int = 1  # of the disk
    execution_ms: int = 1  # per block
    rotate_records: int = 1000  # the journal is rotated above this many records
    window: int = 8
    tick_ms: int = 25
    idle_ms: int = 2_500  # of silence in the end; above the cap of the timers it shows also the slowest of them
    skew_ms: int = 0  # wall clocks differ by up to this much either way


def load_plan(path: Path) -> Plan:
    """The plan of a file; raises msgspec.ValidationError for one that does not fit this version."""
    return msgspec.json.decode(path.read_bytes(), type=Plan)


def dump_plan(plan: Plan) -> str:
    """The plan as JSON text, one line."""
    return msgspec.json.encode(plan).decode()


def plan_of(seed: int, nodes: int) -> Plan:
    """The random plan of a seed: each run turns only some of the faults on, so that they also meet one by one."""
    draw = random.Random(f"{seed}/plan/{nodes}")
    faulty = (nodes - 1) // 3
    traitors = draw.sample(range(nodes), draw.randint(0, faulty) if draw.random() < 0.8 else faulty)
    kinds = draw.sample(list(FaultKind), draw.randint(0, 4))
    heal_ms, most = (20_000, 3 * FAULTS_MAX) if draw.random() < 0.05 else (DISTURBED_MS, FAULTS_MAX)
    count = draw.randint(0, most) if kinds else 0
    faults = tuple(_fault(draw, draw.choice(kinds), nodes, heal_ms) for _ in range(count))
    flaky, thin = draw.random() < 0.5, draw.random() < 0.3
    return Plan(
        seed=seed,
        nodes=nodes,
        byzantine={node: draw.choice(list(Role)) for node in sorted(traitors)},
        faults=tuple(sorted(faults, key=lambda fault: fault.at_ms)),
        heal_ms=heal_ms,
        submissions=tuple(
            Submission(draw.randint(0, heal_ms + 500), draw.randrange(nodes)) for _ in range(draw.randint(4, 16))
        ),
        real_signatures=draw.random() < 0.01,
        delay_ms=draw.choice((1, 5, 20, 60)),
        jitter_ms=draw.choice((0, 2, 20)),
        loss_permille=draw.choice((0, 10, 50, 150)) if flaky else 0,
        duplicate_permille=draw.choice((0, 20, 100)) if flaky else 0,
        tail_permille=draw.choice((0, 20, 100)) if flaky else 0,
        sync_ms=draw.choice((0, 1, 5, 30)),
        execution_ms=draw.choice((0, 1, 10, 60)),
        rotate_records=draw.choice((10, 40, 1000)),
        window=draw.choice((2, 4, 8)),
        tick_ms=draw.choice((25, 50, 50, 50)),
        skew_ms=draw.choice((0, 50, 1000)),
        thinned={kind: draw.choice((300, 600, 900)) for kind in draw.sample(KINDS, draw.randint(1, 3))} if thin else {},
        idle_ms=35_000 if draw.random() < 0.03 else 2_500,
    )


def _fault(draw: random.Random, kind: FaultKind, nodes: int, heal_ms: int) -> Fault:
    start = draw.randint(0, heal_ms - 500)
    lasts = draw.choice((200, 1000, 3000, 10_000))
    some = tuple(sorted(draw.sample(range(nodes), draw.randint(1, max(1, nodes // 2)))))
    chosen = () if kind in (FaultKind.ISOLATE_LEADER, FaultKind.CRASH_ALL, FaultKind.LOSS) else some
    permille = draw.choice((100, 300, 700)) if kind is FaultKind.LOSS else 0
    return Fault(kind, start, min(heal_ms, start + lasts), chosen, permille)
