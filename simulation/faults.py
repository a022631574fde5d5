"""How each fault of a plan begins and ends in a cluster."""

import errno
import random
from collections.abc import Iterable
from functools import partial
from typing import Final

from simulation.cluster import Cluster
from simulation.disks import Disks
from simulation.node import Node
from simulation.plan import Fault, FaultKind
from simulation.schedule import Action

SLOW_LAG_MS: Final = 150
SLOW_SYNC_MS: Final = 100
NEAR_OPERATIONS: Final = 6  # a disk error strikes one of the next so many calls
RESTART_SPREAD_MS: Final = 300


def begin(cluster: Cluster, fault: Fault) -> None:
    """Start a fault and plan its end."""
    plan, every = cluster.plan, range(cluster.plan.machines)
    cluster.counts[f"fault {fault.kind.value}"] += 1
    group = set(fault.nodes)
    if fault.kind is FaultKind.ISOLATE_LEADER:
        group = {cluster.context.leader(max((n.replica.view for n in cluster.nodes.values() if n.up), default=0))}
    cluster.note(-1, f"fault {fault.kind.value} {sorted(group)} until {fault.until_ms}")
    match fault.kind:
        case FaultKind.PARTITION | FaultKind.ISOLATE_LEADER:
            _cut(cluster, fault, [(a, b) for a in every for b in every if (a in group) != (b in group)])
        case FaultKind.DEAF:
            _cut(cluster, fault, [(a, b) for a in every for b in group if a != b])
        case FaultKind.DUMB:
            _cut(cluster, fault, [(a, b) for a in group for b in every if a != b])
        case FaultKind.CRASH | FaultKind.CRASH_ALL | FaultKind.BIT_ROT | FaultKind.WIPE:
            _crash(cluster, fault, group or set(every))
        case FaultKind.ROLLBACK:
            for node in members(cluster, group):
                cluster.schedule.at(fault.until_ms, partial(_go_back, cluster, node, node.disks.image()))
        case FaultKind.PAUSE:
            for node in members(cluster, group):
                node.pause()
                cluster.schedule.at(fault.until_ms, node.resume)
        case FaultKind.SLOW:
            _set_for_a_while(cluster, fault, group, "lag_ms", SLOW_LAG_MS)
        case FaultKind.SLOW_DISK:
            _set_for_a_while(cluster, fault, group, "sync_lag_ms", SLOW_SYNC_MS)
        case FaultKind.CLOCK:
            _set_for_a_while(cluster, fault, group, "jump_ms", fault.offset_ms)
        case FaultKind.LOSS:
            cluster.network.loss_permille = fault.permille
            _at_end(cluster, fault, lambda: setattr(cluster.network, "loss_permille", plan.loss_permille))
        case FaultKind.DISK_ERROR | FaultKind.DISK_FULL:
            _harm_disks(cluster, fault, group)


def heal(cluster: Cluster) -> None:
    """End every fault that is left: links, clocks and disks are good, and every node that can runs."""
    cluster.network.heal()
    cluster.thinned = {}
    for number, node in cluster.nodes.items():
        node.lag_ms = node.sync_lag_ms = node.jump_ms = 0
        node.disks.files.repair()
        node.resume()
        restart(cluster, number)
    cluster.note(-1, "healed")


def restart(cluster: Cluster, number: int) -> None:
    """Switch a node on unless it runs."""
    if not cluster.nodes[number].up:
        cluster.nodes[number].start()


def members(cluster: Cluster, group: Iterable[int]) -> list[Node]:
    """The machines of these identities."""
    return [node for node in cluster.nodes.values() if node.me in group]


def _at_end(cluster: Cluster, fault: Fault, action: Action) -> None:
    """Undo a fault unless the network has healed before, which undoes everything."""
    cluster.schedule.at(fault.until_ms, lambda: action() if cluster.schedule.now_ms < cluster.plan.heal_ms else None)


def _cut(cluster: Cluster, fault: Fault, links: list[tuple[int, int]]) -> None:
    cluster.network.cut(links)
    _at_end(cluster, fault, lambda: cluster.network.mend(links))


def _crash(cluster: Cluster, fault: Fault, group: set[int]) -> None:
    draw = random.Random(f"{cluster.plan.seed}/restart/{fault.at_ms}")
    for node in members(cluster, group):
        node.crash()
        if fault.kind is FaultKind.BIT_ROT and not node.up:
            node.disks.rot(draw)
        if fault.kind is FaultKind.WIPE and not node.up:
            node.wipe()
        back = min(cluster.plan.heal_ms, fault.until_ms + draw.randint(0, RESTART_SPREAD_MS))
        cluster.schedule.at(max(back, cluster.schedule.now_ms), partial(restart, cluster, node.machine.number))


def _go_back(cluster: Cluster, node: Node, image: Disks) -> None:
    node.crash()
    node.disks.go_back(image)
    restart(cluster, node.machine.number)


def _set_for_a_while(cluster: Cluster, fault: Fault, group: set[int], attribute: str, value: int) -> None:
    for node in members(cluster, group):
        setattr(node, attribute, value)
        cluster.schedule.at(fault.until_ms, partial(setattr, node, attribute, 0))


def _harm_disks(cluster: Cluster, fault: Fault, group: set[int]) -> None:
    draw = random.Random(f"{cluster.plan.seed}/disk/{fault.at_ms}")
    for node in members(cluster, group):
        if fault.kind is FaultKind.DISK_FULL:
            node.disks.files.refusal = OSError(errno.ENOSPC, "no space left on device")
        else:
            call = node.disks.files.operations + draw.randint(1, NEAR_OPERATIONS)
            node.disks.files.fail_at(call, OSError(errno.EIO, "input/output error"))
        cluster.schedule.at(fault.until_ms, partial(_repair, cluster, node))


def _repair(cluster: Cluster, node: Node) -> None:
    node.disks.files.repair()
    restart(cluster, node.machine.number)
