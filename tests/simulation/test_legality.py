"""Messages that no honest member sends: refused in front of the core, or without effect and bounded inside it."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from consensus.epochs import EpochContext
from consensus.events import BlockBuilt, Pending
from consensus.messages import BlockReply, CertificateMessage, Message, Status, ViewChange, Vote
from primitives.block import Block, header_digest
from primitives.certificate import Phase, bitmap, certificate_hash
from primitives.hashing import Digest
from primitives.validators import Epoch, Height, View
from simulation.footprint import elements_of
from tests.simulation.stage import Stage

ME, LEADER, EVIL = 1, 0, 3


def _stage() -> tuple[Stage, Block]:
    stage = Stage(4, (0, 1, 2))
    stage.step(LEADER, Pending(1))
    return stage, stage.build(LEADER, 1)


def _others_vote(stage: Stage, block: Block) -> Vote:
    return replace(stage.villain(EVIL).vote(Phase.PREPARE, 0, 1, header_digest(block.header)), signer=2)


def _few(stage: Stage, block: Block) -> CertificateMessage:
    whole = stage.certificate(Phase.COMMIT, 0, block)
    return CertificateMessage(replace(whole, signers=bitmap((0, 1)), signatures=whole.signatures[:2]))


def _stranger(stage: Stage, block: Block) -> Vote:
    home = stage.context
    foreign = EpochContext(Digest(bytes(32)), Epoch(0), home.members, Height(0), home.start_digest)
    stage.context = foreign
    vote = stage.villain(EVIL).vote(Phase.PREPARE, 0, 1, header_digest(block.header))
    stage.context = home
    return vote


FORGERIES: dict[str, Callable[[Stage, Block], Message]] = {
    "a vote under another name": _others_vote,
    "a PREPARE as COMMIT": lambda s, b: replace(
        s.villain(EVIL).vote(Phase.PREPARE, 0, 1, header_digest(b.header)), phase=Phase.COMMIT
    ),
    "a vote for another view": lambda s, b: replace(
        s.villain(EVIL).vote(Phase.PREPARE, 0, 1, header_digest(b.header)), view=1
    ),
    "a vote for another height": lambda s, b: replace(
        s.villain(EVIL).vote(Phase.PREPARE, 0, 1, header_digest(b.header)), height=2
    ),
    "a vote of another chain": _stranger,
    "a vote of nobody": lambda s, b: replace(
        s.villain(EVIL).vote(Phase.PREPARE, 0, 1, header_digest(b.header)), signer=4
    ),
    "a proposal of one that does not lead": lambda s, b: s.villain(EVIL).proposal(0, b),
    "a certificate of q - 1": _few,
    "a certificate of the other phase": lambda s, b: CertificateMessage(
        replace(s.certificate(Phase.PREPARE, 0, b), phase=Phase.COMMIT)
    ),
    "a certificate for another block": lambda s, b: CertificateMessage(
        replace(s.certificate(Phase.COMMIT, 0, b), digest=s.villain(EVIL).noise())
    ),
    "a VIEWCHANGE under another name": lambda s, b: ViewChange(
        replace(s.villain(EVIL).view_change(1, None).summary, signer=2), None
    ),
    "a VIEWCHANGE that claims what it does not attach": lambda s, b: ViewChange(
        s.villain(EVIL).signed(replace(s.villain(EVIL).view_change(2, None).summary, high_view=1, high_height=9)), None
    ),
    "STATUS of another epoch": lambda s, b: Status(1, 0, True, 0, 0, ()),
}


@pytest.mark.pitfall(2, 3, 8, 20, 76)
@pytest.mark.parametrize("name", FORGERIES)
def test_forged_messages_are_refused_in_front_of_the_core(name: str) -> None:
    """Pitfalls 2, 3, 8, 20, 76: nothing of it reaches a core."""
    stage, block = _stage()
    assert stage.hear(ME, EVIL, FORGERIES[name](stage, block)) is not None


def test_a_new_view_of_forged_summaries_is_refused() -> None:
    """S7: the leader of view 1 invents the VIEWCHANGEs of others."""
    stage = Stage(4, (0, 2, 3))
    villain = stage.villain(1)
    forged = [villain.view_change(1, None)] + [
        ViewChange(replace(villain.view_change(1, None).summary, signer=node), None) for node in (0, 2)
    ]
    assert stage.hear(3, 1, villain.new_view(1, forged, None)) is not None
    assert stage.replicas[3].view == 0


ILLEGAL: dict[str, Callable[[Block], Block]] = {
    "proposed in the name of another": lambda b: replace(b, header=replace(b.header, proposer=2)),
    "the state of a later height": lambda b: replace(b, header=replace(b.header, exec_height=1)),
    "a certificate height without its certificate": lambda b: replace(b, header=replace(b.header, cert_height=1)),
    "another validator set": lambda b: replace(b, header=replace(b.header, valset_hash=bytes(32))),
    "a close block": lambda b: replace(b, header=replace(b.header, next_valset_hash=bytes(32))),
    "another epoch": lambda b: replace(b, header=replace(b.header, epoch=1)),
    "the time of its parent": lambda b: replace(b, header=replace(b.header, time_ms=b.header.time_ms - 1)),
    "another parent": lambda b: replace(b, header=replace(b.header, parent=bytes(32))),
    "a skipped height": lambda b: replace(b, header=replace(b.header, height=2)),
    "other batches": lambda b: replace(b, batch_digests=()),
    "another certificate hash": lambda b: replace(b, header=replace(b.header, cert_hash=bytes([1]) * 32)),
}


@pytest.mark.parametrize("name", ILLEGAL)
def test_illegal_headers_are_refused(name: str) -> None:
    """C2, C3, C9, C13, C14, S2, S11: the leader signs it, nobody prepares it."""
    stage, block = _stage()
    stage.hear(ME, LEADER, stage.villain(LEADER).proposal(0, ILLEGAL[name](block)))
    votes = [m for queue in stage.links.values() for m in queue if isinstance(m, Vote) and m.signer == ME]
    assert votes == []


def test_a_block_carries_the_certificate_that_its_header_names() -> None:
    """C16: another valid certificate of the same block, by other signers, has another hash."""
    stage, first = _stage()
    stage.hear(ME, LEADER, stage.villain(LEADER).proposal(0, first))
    own = stage.certificate(Phase.COMMIT, 0, first)
    other = stage.certificate(Phase.COMMIT, 0, first, skip=0)
    assert (own.digest, own.height) == (other.digest, other.height) and certificate_hash(own) != certificate_hash(other)
    stage.hear(LEADER, EVIL, CertificateMessage(own))
    stage.step(LEADER, BlockBuilt(View(0), Height(2), None))  # asked for before the certificate came
    stage.step(LEADER, Pending(1))
    second = stage.build(LEADER, 2)
    assert second.certificate == own
    stage.hear(ME, LEADER, stage.villain(LEADER).proposal(0, replace(second, certificate=other)))
    assert not any(isinstance(m, Vote) and m.height == 2 for m in stage.links.get((ME, 2), ()))
    stage.hear(ME, LEADER, stage.villain(LEADER).proposal(0, second))
    assert any(isinstance(m, Vote) and m.height == 2 for m in stage.links[ME, 2])


def test_only_the_wanted_chain_of_a_block_reply_is_believed() -> None:
    """S5, S8: behind the block that was asked for, a liar adds one with a forged COMMIT certificate."""
    stage, first = _stage()
    rival = stage.villain(LEADER).alternative(first)
    stage.hear(ME, LEADER, stage.villain(LEADER).proposal(0, rival))
    stage.hear(ME, EVIL, CertificateMessage(stage.certificate(Phase.PREPARE, 0, first)))  # so ME asks for it
    forged = replace(stage.certificate(Phase.COMMIT, 0, rival), signatures=(bytes(64),) * 3)
    header = replace(first.header, height=0, cert_height=1, cert_hash=certificate_hash(forged))
    stage.hear(ME, EVIL, BlockReply((first, stage.genesis, replace(first, header=header, certificate=forged))))
    assert stage.decided[ME] == {}
    assert any(isinstance(m, Vote) and m.digest == header_digest(first.header) for m in stage.links[ME, 2])


@pytest.mark.pitfall(13, 25)
def test_a_flood_stays_in_the_windows() -> None:
    """S12, pitfalls 13 and 25: whatever one member signs, the core keeps a bounded part of it."""
    stage, block = _stage()
    leader, evil = stage.villain(LEADER), stage.villain(EVIL)
    digest = header_digest(block.header)
    for number in range(2, 2_000):
        stage.hear(ME, EVIL, evil.vote(Phase.PREPARE, 0, number, digest))
        stage.hear(ME, EVIL, evil.vote(Phase.COMMIT, number, 1, digest))
        stage.hear(ME, EVIL, evil.view_change(number, None))
        high = replace(block, header=replace(block.header, height=number, cert_height=0, exec_height=0))
        stage.hear(ME, LEADER, leader.proposal(0, high))
        twisted = replace(block, header=replace(block.header, time_ms=block.header.time_ms + number))
        stage.hear(ME, LEADER, leader.proposal(0, twisted))
    assert elements_of(stage.replicas[ME]) < 600
