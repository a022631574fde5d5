"""Power cuts at the worst moments: nothing promised is forgotten, nothing decided is lost, the chain goes on."""

from collections.abc import Callable
from functools import partial

import pytest
from msgspec.structs import replace

from primitives.certificate import Phase
from simulation.cluster import Cluster
from simulation.plan import Fault, FaultKind, Plan, Submission
from simulation.roles import Role
from simulation.run import play

CALM = Plan(
    seed=1, nodes=4, byzantine={}, faults=(), heal_ms=1_200,
    submissions=tuple(Submission(at_ms=20 + 90 * i, node=i % 4) for i in range(8)),
)  # fmt: skip
SYNCS = 24  # of the leader in CALM; a later sync of this quiet run repeats an earlier one


@pytest.mark.pitfall(38, 39)
@pytest.mark.parametrize("synced", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("node", [0, 1], ids=["leader", "follower"])
def test_power_cut_at_every_sync(node: int, synced: bool) -> None:
    """Pitfalls 38 and 39: before or after each sync of the journal, with whole, torn or no tail."""
    _cut_at_every_sync(CALM, node, synced)


@pytest.mark.parametrize("synced", [False, True], ids=["before", "after"])
def test_power_cut_at_every_sync_with_a_journal_that_rotates(synced: bool) -> None:
    """C15: what a rotation keeps is enough."""
    _cut_at_every_sync(replace(CALM, rotate_bytes=1_000), 0, synced)


def _cut_at_every_sync(plan: Plan, node: int, synced: bool) -> None:
    cut = 0
    for number in range(1, SYNCS + 1):
        cluster = Cluster(plan)
        cluster.nodes[node].power_cut = number, synced
        cluster.schedule.after(700, partial(_switch_on, cluster))
        play(cluster)
        cut += cluster.nodes[node].disks.files.crashes
    assert cut == SYNCS, "each run has its crash"


def test_all_lose_power_between_the_prepares_and_the_commit() -> None:
    """A quorum of PREPAREs is durable, no COMMIT is: whatever survives, all agree and the bodies are there (C1)."""

    def between(cluster: Cluster) -> bool:
        votes = [cluster.checkers.durable_votes(node) for node in range(4)]
        slots = {slot for held in votes for slot in held if slot[0] is Phase.PREPARE}
        for _, view, height in slots:
            prepared = sum((Phase.PREPARE, view, height) in held for held in votes)
            committed = any((Phase.COMMIT, view, height) in held for held in votes)
            if prepared >= 3 and not committed and height >= 2:
                return True
        return False

    _cut_all_when(between)


@pytest.mark.pitfall(40)
def test_all_lose_power_after_one_has_decided() -> None:
    """Pitfall 40: what one replica decided is decided after the restart."""

    def one_alone(cluster: Cluster) -> bool:
        heights = sorted(cluster.checkers.last_decided(node) for node in range(4))
        return heights[-1] > heights[-2]

    _cut_all_when(one_alone)


def test_all_lose_power_ten_times_under_load() -> None:
    """The chain goes on by itself after each."""
    cluster = Cluster(CALM)
    for number in range(10):
        cluster.schedule.at(100 + 97 * number, partial(_switch_off, cluster))
        cluster.schedule.at(130 + 97 * number, partial(_switch_on, cluster))
    play(cluster)


@pytest.mark.pitfall(48, 49)
@pytest.mark.parametrize("kind", [FaultKind.CRASH, FaultKind.PAUSE, FaultKind.PARTITION])
def test_recovery_after_a_long_outage(kind: FaultKind) -> None:
    """Pitfalls 48, 49: more than f are away until the timers reach their cap; then all is decided within 60 s."""
    away = Fault(kind, at_ms=500, until_ms=60_000, nodes=(2, 3))
    cluster = Cluster(replace(CALM, faults=(away,), heal_ms=60_000, tick_ms=50))
    assert play(cluster).healed_ms <= 60_000


def test_a_paused_leader_is_replaced_and_comes_back() -> None:
    """The others go on without it, and it catches up; a batch that only it took in is decided as well."""
    away = Fault(FaultKind.PAUSE, at_ms=300, until_ms=60_000, nodes=(0,))
    cluster = Cluster(replace(CALM, faults=(away,), heal_ms=60_000, tick_ms=50))
    cluster.schedule.at(10_000, partial(_demand_height, cluster, 4))
    play(cluster)


def _demand_height(cluster: Cluster, height: int) -> None:
    assert all(cluster.nodes[node].height >= height for node in (1, 2, 3)), "f = 1 node away stops nobody"


@pytest.mark.parametrize("seed", range(12))
def test_twins(seed: int) -> None:
    """Two honest instances of one key that each talk to a changing part of the others (Twins, arXiv 2004.10617)."""
    plan = Plan(
        seed=seed, nodes=4 if seed % 2 else 7,
        byzantine=dict.fromkeys(range(1 if seed % 2 else 2), Role.TWIN), faults=(),
        submissions=tuple(Submission(at_ms=50 + 300 * i, node=i % 4) for i in range(12)), delay_ms=20, jitter_ms=20,
        heal_ms=4_000,
    )  # fmt: skip
    play(Cluster(plan))


def _switch_off(cluster: Cluster) -> None:
    for node in cluster.nodes.values():
        node.crash()


def _switch_on(cluster: Cluster) -> None:
    for node in cluster.nodes.values():
        if not node.up:
            node.start()


def _cut_all_when(moment: Callable[[Cluster], bool]) -> None:
    cluster = Cluster(CALM)
    times = 0

    def look() -> None:
        nonlocal times
        if times < 3 and moment(cluster):
            times += 1
            _switch_off(cluster)
            cluster.schedule.after(50, partial(_switch_on, cluster))
        if cluster.schedule.now_ms < 1_100:
            cluster.schedule.after(1, look)

    cluster.schedule.after(1, look)
    play(cluster)
    assert times == 3, "the moment came three times"
