"""Each checker fires: one planted violation per rule, told to the checkers as a node would tell it."""

from collections.abc import Callable
from dataclasses import replace as replace_plain

import pytest
from msgspec.structs import replace

from consensus.events import Effects, Received, Tick
from consensus.evidence import DoubleVote, accuse
from consensus.journal_records import Prepared, Proposed
from consensus.settings import Timing
from consensus.view_change import base_of
from primitives.block import header_digest
from primitives.certificate import Phase
from primitives.hashing import Digest
from primitives.validators import NodeId
from simulation.checkers_fairness import FairnessRule, fair_bound_ms
from tests.simulation.checked_world import ME, OTHER, TRAITOR, World, chain, rival


def _fork(w: World) -> None:
    w.decides(ME, w.first)
    w.decides(OTHER, rival(w))


def _certified_fork(w: World) -> None:
    w.decides(ME, w.first)
    w.checkers.chain.agreed.pop(1)
    w.decides(OTHER, rival(w))


def _twice(w: World) -> None:
    w.decides(ME, w.first)
    w.decides(ME, w.first)


def _skips(w: World) -> None:
    w.decides(ME, chain(w))


def _orphan(w: World) -> None:
    w.decides(ME, w.first)
    w.decides(ME, w.block(2, bytes(32), 2))


def _foreign_body(w: World) -> None:
    w.decides(ME, replace(w.first, batch_digests=(bytes(32),)))


def _prepare_decides(w: World) -> None:
    w.decides(ME, w.first, w.lock(0, w.first))


def _few_signers(w: World) -> None:
    whole = w.stage.certificate(Phase.COMMIT, 0, w.first)
    w.decides(ME, w.first, replace(whole, signers=0b11, signatures=whole.signatures[:2]))


def _same_signer(w: World) -> None:
    whole = w.stage.certificate(Phase.COMMIT, 0, w.first)
    w.decides(ME, w.first, replace(whole, signatures=whole.signatures[:1] * 3))


def _foreign_set(w: World) -> None:
    block = replace(w.first, header=replace(w.first.header, valset_hash=bytes(32)))
    w.decides(ME, block)


def _no_validator(w: World) -> None:
    w.decides(ME, replace(w.first, header=replace(w.first.header, proposer=7)))


def _other_root(w: World) -> None:
    w.executes(ME, w.first, bytes(32))
    w.executes(OTHER, w.first, bytes(31) + b"1")


def _wrong_header_root(w: World) -> None:
    w.executes(ME, replace(w.first, header=replace(w.first.header, state_root=bytes(31) + b"1")))


def _executes_itself(w: World) -> None:
    w.executes(ME, replace(w.first, header=replace(w.first.header, exec_height=1)))


def _executes_twice(w: World) -> None:
    w.executes(ME, w.first)
    w.executes(ME, w.first)


def _transaction_twice(w: World) -> None:
    w.executes(ME, w.first, receipts=(Digest(b"t" * 32),))
    w.executes(ME, chain(w), receipts=(Digest(b"t" * 32),))


def _other_transactions(w: World) -> None:
    w.executes(ME, w.first, receipts=(Digest(b"t" * 32),))
    w.executes(OTHER, w.first)


def _lost_acknowledgement(w: World) -> None:
    w.executes(ME, w.first, receipts=(Digest(b"t" * 32),))
    w.checkers.finished((0, ME, OTHER))


def _unbalanced(w: World) -> None:
    w.checkers.conserved(ME, 1, "3 points too many")


def _honest_accused(w: World) -> None:
    first, second = (w.vote(Phase.PREPARE, 0, block, OTHER) for block in (w.first, rival(w)))
    proof = DoubleVote(first, second)
    w.checkers.stepped(ME, w.stage.replicas[ME], Tick(1), Effects(evidence=[accuse(w.stage.context, OTHER, proof)]))


def _honest_blamed(w: World) -> None:
    effects = Effects(violations=[(NodeId(OTHER), "S1: anything")])
    w.checkers.stepped(ME, w.stage.replicas[ME], Tick(1), effects)


def _no_evidence(w: World) -> None:
    for block in (w.first, rival(w)):
        heard = Received(NodeId(TRAITOR), w.vote(Phase.PREPARE, 0, block, TRAITOR))
        w.checkers.stepped(ME, w.stage.replicas[ME], heard, Effects())


def _falls_back(w: World) -> None:
    w.checkers.synced(ME, [w.left(1)])
    w.checkers.started(ME, [w.left(1)], 0)
    w.checkers.stepped(ME, w.stage.replicas[ME], Tick(1), Effects())  # that core stands in view 0


def _too_large(w: World) -> None:
    tiny = w.new(3)
    for _ in range(256):
        tiny.stepped(ME, w.stage.replicas[ME], Tick(1), Effects())


def _good_block_refused(w: World) -> None:
    w.checkers.synced(0, [Proposed(w.pen(0).proposal(0, w.first))])
    w.checkers.refused(ME, w.first)


PLANTED: list[tuple[Callable[[World], None], str]] = [
    (_fork, "FORK at height 1"),
    (_certified_fork, "FORK: two certified blocks"),
    (_twice, "S5: node 1 decides 1 after 1"),
    (_skips, "S5: node 1 decides 2 after 0"),
    (_orphan, "broken parent link"),
    (_foreign_body, "C2: foreign body"),
    (_prepare_decides, "by a PREPARE certificate"),
    (_few_signers, "bad certificate"),
    (_same_signer, "bad certificate"),
    (_foreign_set, "S11: block 1 names another validator set"),
    (_no_validator, "C13: block 1 is of 7"),
    (_other_root, "INV: node 2 has another state root"),
    (_wrong_header_root, "C3: block 1 was decided with a wrong root"),
    (_executes_itself, "C3: block 1 names the roots of 1"),
    (_executes_twice, "node 1 executes 1 after 1"),
    (_transaction_twice, "is executed at 1 and at 2"),
    (_other_transactions, "executed other transactions"),
    (_lost_acknowledgement, "ACK: height 1"),
    (_unbalanced, "3 points too many"),
    (_honest_accused, "evidence against the honest"),
    (_honest_blamed, "blames the honest node 2"),
    (_no_evidence, "holds no evidence"),
    (_falls_back, "S3: node 1 falls from view 1 to 0"),
    (_too_large, "S12: the core of node 1 holds"),
    (_good_block_refused, "C6: node 1 refuses an honest"),
]


@pytest.mark.parametrize(("plant", "sentence"), PLANTED, ids=lambda case: getattr(case, "__name__", ""))
def test_a_planted_violation_is_found(plant: Callable[[World], None], sentence: str) -> None:
    """A checker that never fires proves nothing."""
    with pytest.raises(AssertionError, match=sentence):
        plant(World())


def test_correct_conduct_is_left_alone() -> None:
    """The same things in their right order."""
    w = World()
    second = chain(w)
    lock = w.lock(0, w.first)
    w.checkers.synced(ME, [w.prepared(0, w.first), w.prepared(0, second), w.committed(0, w.first), w.left(1, lock)])
    w.checkers.synced(ME, [w.entered(1, lock), Prepared(w.vote(Phase.PREPARE, 1, w.first), None)])
    w.checkers.sends(ME, OTHER, w.vote(Phase.PREPARE, 0, w.first))
    w.checkers.sends(ME, OTHER, w.left(1, lock).view_change)
    for node in (0, ME, OTHER):
        w.decides(node, w.first, w.stage.certificate(Phase.COMMIT, 0, second))  # decided by its descendant
        w.decides(node, second)
        w.executes(node, w.first, receipts=(Digest(b"t" * 32),))
    w.checkers.finished((0, ME, OTHER))
    assert base_of(lock, w.stage.context).digest == header_digest(w.first.header)


def test_a_traitor_is_not_judged() -> None:
    """Everything that a Byzantine machine reports is ignored."""
    w = World()
    w.checkers.synced(TRAITOR, [w.left(1), w.left(1, w.lock(0, w.first))])
    w.checkers.sends(TRAITOR, ME, w.vote(Phase.PREPARE, 0, w.first, TRAITOR))
    w.checkers.conserved(TRAITOR, 1, "3 points too many")
    w.decides(TRAITOR, chain(w))


def test_the_fair_bound() -> None:
    """A transaction waits no longer than the bound, whether it is decided too late or never; faults stop the clock."""
    now = [0]
    rule = FairnessRule(bound_ms=1_000, quiet_ms=500, now_ms=lambda: now[0])
    rule.submitted(Digest(b"a" * 32))
    now[0] = 1_500
    rule.look()
    rule.executed(Digest(b"a" * 32))
    rule.submitted(Digest(b"a" * 32))  # a client that asks again after it is done waits for nothing
    rule.submitted(Digest(b"b" * 32))
    now[0] = 2_501
    with pytest.raises(AssertionError, match="FAIR: transaction 62626262 waits 1001 ms"):
        rule.look()
    with pytest.raises(AssertionError, match="FAIR"):
        rule.executed(Digest(b"b" * 32))


def test_the_fair_bound_grows_with_the_traitors() -> None:
    """13 s with one of them, half a minute with two: what the timers of C7 allow."""
    assert [fair_bound_ms(faulty, Timing()) for faulty in (0, 1, 2)] == [4_200, 13_400, 30_600]
    slower = replace_plain(Timing(), inclusion_ms=10_000)
    assert fair_bound_ms(1, slower) == 18_400
