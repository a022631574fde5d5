"""Every mutator on every kind of message: what comes out is another message, signed by the traitor alone."""

import random

import pytest

from consensus.events import Pending
from consensus.messages import (
    MESSAGE_DECODER,
    BlockReply,
    BlockRequest,
    CertificateMessage,
    Message,
    NewView,
    Proposal,
    SlotStatus,
    Status,
    ViewChange,
    Vote,
)
from primitives.block import Block, header_digest
from primitives.certificate import Phase
from primitives.codec import Malformed, decode_canonical, encode
from simulation.byzantine_mutators import MUTATORS
from simulation.narration import kind_of
from simulation.villain import Villain
from tests.simulation.stage import Stage

EVIL = 0  # leads view 0


def _messages(stage: Stage, villain: Villain) -> list[Message]:
    stage.step(1, Pending(1))
    genesis = stage.genesis
    block = Block(genesis.header, (), None)
    certificate = stage.certificate(Phase.COMMIT, 0, block)
    later = Block(block.header, (bytes(32),), certificate)
    digest = header_digest(block.header)
    change = villain.view_change(1, certificate)
    return [
        villain.vote(Phase.PREPARE, 1, 1, digest),
        villain.vote(Phase.COMMIT, 1, 1, digest),
        villain.proposal(0, later),
        change,
        villain.new_view(1, [change, change, change], certificate),
        Status(0, 1, True, 3, 0, (SlotStatus(True, False, 1, 1),)),
        CertificateMessage(certificate),
        BlockRequest(digest, 1),
        BlockReply((later, block)),
    ]


@pytest.mark.parametrize("name", list(MUTATORS))
def test_mutator(name: str) -> None:
    """It changes at least one kind, and what it makes is judged at the door, never a crash."""
    stage = Stage(4, (1, 2, 3))
    villain = stage.villain(EVIL)
    changed = 0
    for message in _messages(stage, villain):
        villain.learns(message)
        villain.said.append(message)
        mutated = MUTATORS[name](villain, message)
        if mutated is None:
            continue
        changed += mutated != message
        try:
            decoded = decode_canonical(MESSAGE_DECODER, encode(mutated))
        except Malformed:
            continue  # refused by the codec already
        assert decoded == mutated
        stage.hear(1, EVIL, decoded)
    assert changed


def test_every_kind_has_mutators() -> None:
    """ByzzFuzz needs several ways to break each kind of message."""
    stage = Stage(4, (1, 2, 3))
    villain = stage.villain(EVIL)
    villain.draw = random.Random(1)
    counts = {
        kind_of(message): sum(mutator(villain, message) is not None for mutator in MUTATORS.values())
        for message in _messages(stage, villain)
    }
    assert {kind for kind, count in counts.items() if count < 2} == set(), counts
    kinds = {Proposal, Vote, ViewChange, NewView, Status, CertificateMessage, BlockRequest, BlockReply}
    assert {type(message) for message in _messages(stage, villain)} == kinds
