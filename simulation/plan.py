"""What one simulated run does, as data: drawn from a seed, kept as JSON when it once failed, replayed for ever."""

import random
from collections.abc import Sequence
from enum import StrEnum
from hashlib import blake2b
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from simulation.roles import Role

DISTURBED_MS: Final = 6_000  # faults are drawn inside this time in most runs; after it the network heals
HEAL_LIMIT_MS: Final = 60_000  # from then on everything pending must be decided within this
FAULTS_MAX: Final = 6
NODES_MIN: Final = 4
NODES_MAX: Final = 22
BLOCK_MS: Final = 200  # between two submissions of a run that is to reach a height
HOUR_MS: Final = 3_600_000
KINDS: Final = ("PROPOSE", "PREPARE", "COMMIT", "VIEWCHANGE", "NEWVIEW", "STATUS", "CERTIFICATE", "BLOCKS", "WANT")


class FaultKind(StrEnum):
    """What can go wrong besides traitors."""

    PARTITION = "partition"  # `nodes` against the rest, both ways
    DEAF = "deaf"  # `nodes` receive nothing
    DUMB = "dumb"  # nothing that `nodes` send arrives
    ISOLATE_LEADER = "isolate-leader"  # whoever leads when it starts
    CRASH = "crash"  # power cut of `nodes`: of unsynced writes any part is lost, the last one may be torn
    CRASH_ALL = "crash-all"  # of everybody, restarted one after the other
    PAUSE = "pause"  # `nodes` are stopped and go on later
    SLOW = "slow"  # `nodes` need 150 ms for everything
    SLOW_DISK = "slow-disk"  # each sync of `nodes` takes 100 ms longer
    LOSS = "loss"  # `permille` of all messages
    DISK_ERROR = "disk-error"  # a write or a sync of `nodes` fails with EIO: the node stops, and comes back at the end
    DISK_FULL = "disk-full"  # no write of `nodes` succeeds until the end
    BIT_ROT = "bit-rot"  # `nodes` lose power, and a synced byte of their journal is another one afterwards
    WIPE = "wipe"  # `nodes` lose their disks and come back with the old key (pitfall 44)
    ROLLBACK = "rollback"  # `nodes` come back with a backup of the beginning, made at `at_ms`
    CLOCK = "clock"  # the wall clocks of `nodes` are off by `offset_ms`


LEAVING: Final = frozenset({"remove", "replace"})
# At most f members are traitors or meet one of these: their journal or their clock cannot be relied on.
WEAKENING: Final = frozenset({FaultKind.BIT_ROT, FaultKind.WIPE, FaultKind.ROLLBACK, FaultKind.CLOCK})


class Fault(msgspec.Struct, frozen=True):
    """One disturbance from `at_ms` to `until_ms`."""

    kind: FaultKind
    at_ms: int
    until_ms: int
    nodes: tuple[int, ...] = ()
    permille: int = 0
    offset_ms: int = 0


class Submission(msgspec.Struct, frozen=True):
    """A client hands one batch to `node`; it comes back after a restart of the node until the batch is decided."""

    at_ms: int
    node: int


class ChangeKind(StrEnum):
    """Of the validator set."""

    ADD = "add"  # `newcomer` takes a free seat
    REMOVE = "remove"  # `node` leaves, and follows from then on
    REPLACE = "replace"  # `newcomer` takes the seat of `node`
    REKEY = "rekey"  # `node` votes with its next key


class Change(msgspec.Struct, frozen=True):
    """The operator hands in a change of the validators; an epoch closes after it if the rules accept it."""

    at_ms: int
    kind: ChangeKind
    node: int = 0
    newcomer: int = 0


class Plan(msgspec.Struct, frozen=True):
    """Everything a run depends on besides the code."""

    seed: int  # of the random streams of network, disks, application and roles
    nodes: int
    byzantine: dict[int, Role]
    faults: tuple[Fault, ...]
    submissions: tuple[Submission, ...]
    changes: tuple[Change, ...] = ()
    reserve: int = 0  # further nodes that follow without a seat, with the numbers from `nodes` on
    heal_ms: int = DISTURBED_MS
    until_height: int = 0  # after healing transactions are added until the chain has this height
    real_signatures: bool = False
    delay_ms: int = 10
    jitter_ms: int = 5
    loss_permille: int = 0
    duplicate_permille: int = 0
    tail_permille: int = 0
    thinned: dict[str, int] = {}  # kind of message (narration.kind_of) -> permille that is lost until healing
    sync_ms: int = 1  # of the disk
    execution_ms: int = 1  # per block
    rotate_bytes: int = 1 << 20  # the journal is rotated above this size
    handover_blocks: int = 0  # R: a planned change of the leader every so many heights; 0: never
    window: int = 8
    tick_ms: int = 25
    idle_ms: int = 2_500  # of silence in the end; above the cap of the timers it shows also the slowest of them
    skew_ms: int = 0  # wall clocks differ by up to this much either way
    drift_permille: int = 0  # and go too fast or too slow by up to this much
    adversary: int = 0  # strikes of the adaptive adversary (see adaptive)

    @property
    def faulty(self) -> int:
        """f: how many members may be beyond trust, in every epoch of the run."""
        return (self.fewest - 1) // 3

    @property
    def machines(self) -> int:
        """Nodes with and without a seat."""
        return self.nodes + self.reserve

    @property
    def fewest(self) -> int:
        """Members that are left if every removal is accepted."""
        return max(NODES_MIN, self.nodes - sum(change.kind is ChangeKind.REMOVE for change in self.changes))

    def weakened(self) -> frozenset[int]:
        """The members that a WEAKENING fault meets."""
        return frozenset(node for fault in self.faults if fault.kind in WEAKENING for node in fault.nodes)


def check_plan(plan: Plan) -> None:
    """Raises ValueError with a sentence for a plan under which the protocol promises nothing, or that names nobody."""
    if not NODES_MIN <= plan.nodes <= NODES_MAX:
        raise ValueError(f"a network has {NODES_MIN} to {NODES_MAX} nodes, not {plan.nodes}")
    named = {*plan.byzantine, *(c.node for c in plan.changes)}
    if not named <= set(range(plan.nodes)):
        raise ValueError(f"there is no node {max(named)} among {plan.nodes}")
    others = {*(n for f in plan.faults for n in f.nodes), *(s.node for s in plan.submissions)}
    others.update(change.newcomer for change in plan.changes)
    if not others <= set(range(plan.machines)):
        raise ValueError(f"there is no node {max(others)} among {plan.machines}")
    if not 0 <= plan.reserve <= NODES_MAX:
        raise ValueError(f"{plan.reserve} nodes without a seat, at most {NODES_MAX}")
    if {c.node for c in plan.changes if c.kind in LEAVING} & {*plan.byzantine}:
        raise ValueError("a traitor that leaves is no traitor any more; let another one leave")
    beyond = {*plan.byzantine, *plan.weakened()}
    if len(beyond) > plan.faulty:
        raise ValueError(f"{plan.nodes} nodes bear {plan.faulty} faulty ones, the plan has {sorted(beyond)}")
    for fault in plan.faults:
        if not 0 <= fault.at_ms <= fault.until_ms <= plan.heal_ms:
            raise ValueError(f"{fault} is not inside 0..{plan.heal_ms} ms")
    if min([0, *(s.at_ms for s in plan.submissions), *(c.at_ms for c in plan.changes)]) < 0:
        raise ValueError("a submission or a change has a time below 0")


def load_plan(path: Path) -> Plan:
    """The plan of a file. Raises OSError; ValueError for one that does not fit this version or makes no sense."""
    plan = msgspec.json.decode(path.read_bytes(), type=Plan)
    check_plan(plan)
    return plan


def dump_plan(plan: Plan) -> str:
    """The plan as JSON text, one line."""
    return msgspec.json.encode(plan).decode()


def plan_name(plan: Plan) -> str:
    """A short name that only this plan has."""
    return blake2b(dump_plan(plan).encode(), digest_size=6).hexdigest()


def plan_of(seed: int, nodes: int) -> Plan:
    """The random plan of a seed: each run turns only some of the faults on, so that they also meet one by one."""
    draw = random.Random(f"{seed}/plan/{nodes}")
    faulty = (nodes - 1) // 3
    traitors = draw.sample(range(nodes), draw.randint(0, faulty) if draw.random() < 0.8 else faulty)
    honest = [node for node in range(nodes) if node not in traitors]
    weak = tuple(sorted(draw.sample(honest, faulty - len(traitors))))
    kinds = draw.sample([k for k in FaultKind if weak or k not in WEAKENING], draw.randint(0, 4))
    heal_ms, most = (20_000, 3 * FAULTS_MAX) if draw.random() < 0.05 else (DISTURBED_MS, FAULTS_MAX)
    count = draw.randint(0, most) if kinds else 0
    faults = tuple(_fault(draw, draw.choice(kinds), nodes, weak, heal_ms) for _ in range(count))
    changes = _changes(draw, nodes, honest, heal_ms) if draw.random() < 0.25 else ()
    beyond = len({*traitors, *(n for f in faults if f.kind in WEAKENING for n in f.nodes)})
    removed = sum(change.kind is ChangeKind.REMOVE for change in changes)
    if beyond > (max(NODES_MIN, nodes - removed) - 1) // 3:
        changes = tuple(change for change in changes if change.kind is not ChangeKind.REMOVE)
    flaky, thin = draw.random() < 0.5, draw.random() < 0.3
    return Plan(
        seed=seed,
        nodes=nodes,
        byzantine={node: draw.choice(list(Role)) for node in sorted(traitors)},
        faults=tuple(sorted(faults, key=lambda fault: fault.at_ms)),
        heal_ms=heal_ms,
        changes=changes,
        reserve=sum(change.kind in (ChangeKind.ADD, ChangeKind.REPLACE) for change in changes),
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
        rotate_bytes=draw.choice((4_000, 16_000, 1 << 20)),
        handover_blocks=draw.choice((0, 0, 3)),
        window=draw.choice((2, 4, 8)),
        tick_ms=draw.choice((25, 50, 50, 50)),
        skew_ms=draw.choice((0, 50, 1000)),
        drift_permille=draw.choice((0, 0, 5)),
        thinned={kind: draw.choice((300, 600, 900)) for kind in draw.sample(KINDS, draw.randint(1, 3))} if thin else {},
        idle_ms=35_000 if draw.random() < 0.02 else 2_500,
        adversary=draw.choice((20, 60)) if draw.random() < 0.06 and not changes else 0,  # it knows the first members
    )


def _changes(draw: random.Random, nodes: int, honest: list[int], heal_ms: int) -> tuple[Change, ...]:
    """Some changes, in order of time; nodes without a seat come in by number."""
    made: list[Change] = []
    reserve = nodes
    for at_ms in sorted(draw.randint(0, heal_ms) for _ in range(draw.randint(1, 4))):
        kind = draw.choice(list(ChangeKind))
        comes = kind in (ChangeKind.ADD, ChangeKind.REPLACE)
        made.append(Change(at_ms, kind, draw.choice(honest), reserve if comes else 0))
        reserve += comes
    return tuple(made)


def with_roles(plan: Plan, roles: Sequence[str]) -> Plan:
    """The plan with traitors of these roles on the first seats (the leader's first); "none" alone: without any.

    A seat of a traitor meets no weakening fault besides. Raises ValueError for a role that does not exist.
    """
    known = {role.value for role in Role}
    wanted = [name for name in roles if name != "none"]
    for name in wanted:
        if name not in known:
            raise ValueError(f"there is no role {name!r}; roles: {', '.join(sorted(known))}")
    kept = tuple(fault for fault in plan.faults if fault.kind not in WEAKENING)
    return replace(plan, byzantine={seat: Role(name) for seat, name in enumerate(wanted)}, faults=kept)


def plan_up_to(plan: Plan, height: int) -> Plan:
    """The plan with its submissions and faults spread over the time that so many blocks take."""
    heal_ms = max(plan.heal_ms, height * BLOCK_MS)
    shift = heal_ms - plan.heal_ms
    submissions = tuple(Submission(i * BLOCK_MS, i % plan.nodes) for i in range(height))
    faults = tuple(
        replace(f, at_ms=f.at_ms + shift * i // len(plan.faults), until_ms=f.until_ms + shift * i // len(plan.faults))
        for i, f in enumerate(plan.faults)
    )
    return replace(plan, until_height=height, heal_ms=heal_ms, submissions=submissions, faults=faults)


def _fault(draw: random.Random, kind: FaultKind, nodes: int, weak: tuple[int, ...], heal_ms: int) -> Fault:
    start = draw.randint(0, heal_ms - 500)
    lasts = draw.choice((200, 1000, 3000, 10_000))
    some = tuple(sorted(draw.sample(range(nodes), draw.randint(1, max(1, nodes // 2)))))
    if kind in WEAKENING:
        some = weak
    chosen = () if kind in (FaultKind.ISOLATE_LEADER, FaultKind.CRASH_ALL, FaultKind.LOSS) else some
    permille = draw.choice((100, 300, 700)) if kind is FaultKind.LOSS else 0
    offset = draw.choice((-HOUR_MS, -7_000, 7_000, HOUR_MS)) if kind is FaultKind.CLOCK else 0
    return Fault(kind, start, min(heal_ms, start + lasts), chosen, permille, offset)
