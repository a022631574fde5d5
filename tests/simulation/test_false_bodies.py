"""A server that puts other transactions under genuine certified headers, asked by a replica that was away (C2, S5)."""

from dataclasses import replace
from typing import NamedTuple

import pytest
from msgspec import structs

from primitives.block import Block, batch_digest, batches_root
from primitives.hashing import Digest
from simulation.byzantine_trials import plan_of_trial
from simulation.cluster import Cluster
from simulation.node import Node
from simulation.parcels import BlockRangeReply, Parcel
from simulation.plan import Fault, FaultKind, Plan, Submission
from simulation.roles import Role
from simulation.run import play
from simulation.strategies.bodies import UNPROVEN, WAYS, Forgery, beside, named, serving
from simulation.villain import Outbox, Villain, carry, pass_on

LIAR, AWAY = 0, 3
ANYWHERE = 64
PLAN = Plan(
    seed=0, nodes=4, byzantine={LIAR: Role.FALSE_BODIES}, heal_ms=3_000, delay_ms=5, jitter_ms=5, window=2,
    faults=(Fault(FaultKind.PARTITION, 300, 2_000, (AWAY,)),),
    submissions=tuple(Submission(at_ms=20 + 100 * i, node=i % 3) for i in range(24)),
)  # fmt: skip


class Served(NamedTuple):
    """A run, and the pieces of chain that the liar sent in it."""

    cluster: Cluster
    pieces: list[BlockRangeReply]


def _served(forgery: Forgery, way: str, reach: int) -> Served:
    """Play the plan with a liar that knows one way only and is honest otherwise."""
    cluster, pieces = Cluster(PLAN), list[BlockRangeReply]()
    lie = serving(forgery, (WAYS[way],), reach)

    def carries(villain: Villain, receiver: int, parcel: Parcel) -> Outbox:
        letters = lie(villain, receiver, parcel)
        pieces.extend(letter.parcel for letter in letters if isinstance(letter.parcel, BlockRangeReply))
        return letters

    traitor = cluster.traitors[LIAR]
    traitor.strategy = replace(traitor.strategy, carries=carries, perturb=pass_on)
    play(cluster)  # demands agreement, equal roots and equal transactions of all honest nodes
    return Served(cluster, pieces)


def _bodies(node: Node) -> list[tuple[Digest, bytes | None]]:
    """All batches that its ledger names, in order, with their bytes."""
    blocks = [node.rooms.chain.block(height) for height in range(1, node.height + 1)]
    digests = [Digest(digest) for block in blocks if block is not None for digest in block.batch_digests]
    return [(digest, node.rooms.chain.batch(digest)) for digest in digests]


def _genuine(cluster: Cluster, block: Block) -> bool:
    agreed = cluster.nodes[1].rooms.chain.block(block.header.height)
    return agreed is not None and agreed.header == block.header


def _blamed_alone(cluster: Cluster, rule: str) -> None:
    assert cluster.checkers.conduct.blamed == {(LIAR, rule)}
    _alike(cluster)


def _alike(cluster: Cluster) -> None:
    assert _bodies(cluster.nodes[AWAY]) == _bodies(cluster.nodes[1])
    assert all(raw is not None and batch_digest(raw) == digest for digest, raw in _bodies(cluster.nodes[AWAY]))


@pytest.mark.parametrize("way", WAYS)
def test_false_bodies_beside_a_genuine_block_are_refused(way: str) -> None:
    cluster, pieces = _served(beside, way, ANYWHERE)
    blocks = [decided.block for piece in pieces for decided in piece.blocks]
    assert blocks and all(_genuine(cluster, block) for block in blocks)
    assert all(batches_root(block.batch_digests) == block.header.batches_root for block in blocks)
    assert len(pieces) == 1, "the next peer is asked after a lie"
    _blamed_alone(cluster, "C2")


@pytest.mark.parametrize("way", WAYS)
def test_a_list_of_false_bodies_under_a_genuine_header_is_refused(way: str) -> None:
    cluster, pieces = _served(named, way, UNPROVEN)
    blocks = [decided.block for piece in pieces for decided in piece.blocks]
    assert blocks and all(_genuine(cluster, block) for block in blocks)
    assert any(batches_root(block.batch_digests) != block.header.batches_root for block in blocks)
    _blamed_alone(cluster, "S5")


@pytest.mark.parametrize("way", WAYS)
def test_what_stands_before_a_false_list_counts_and_the_rest_comes_from_others(way: str) -> None:
    cluster, pieces = _served(named, way, ANYWHERE)
    assert len(pieces) == 1, "the next peer is asked after a lie"
    assert len(cluster.checkers.conduct.blamed) == 1
    assert cluster.checkers.conduct.blamed <= {(LIAR, "S5"), (LIAR, "C2")}, "nothing, or a part, was certified"
    _alike(cluster)


@pytest.mark.parametrize("seed", [3, 6, 9])
def test_a_false_list_in_a_block_that_is_asked_for_by_its_hash_is_refused(seed: int) -> None:
    """A replica that is at most a window behind asks its core's way."""
    often_away = plan_of_trial(Role.FORGED_REPLIES, PLAN.nodes, seed)
    cluster = Cluster(structs.replace(often_away, byzantine={LIAR: Role.FALSE_NAMES}))
    traitor = cluster.traitors[LIAR]
    traitor.strategy = replace(traitor.strategy, carries=carry)
    play(cluster)
    assert traitor.acts > 0
    _blamed_alone(cluster, "C2")
