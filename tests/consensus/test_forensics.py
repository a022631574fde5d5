"""A fork convicts at least f + 1 of its makers, and never anybody else (arXiv 2010.06785)."""

import msgspec
import pytest

from consensus.evidence import BrokenChain, DoubleVote, HiddenCommit, prepare_in
from consensus.forensics import Transcript, find_evidence, missing_for_verdict, transcript_of
from consensus.messages import NewView, Proposal, Summary, ViewChange, Vote
from primitives.block import Block, header_digest
from primitives.certificate import Certificate, Phase
from tests.consensus.adversary import Adversary
from tests.consensus.colluders import Colluders
from tests.consensus.committee import (
    GENESIS,
    block_on,
    certify,
    context_of,
    fake_sign,
    fake_verify,
    key_of,
    new_view,
)

CONTEXT = context_of(4)  # nodes 2 and 3 collude, 0 and 1 are honest on either side
PREPARE, COMMIT = Phase.PREPARE, Phase.COMMIT


def chain(time_ms: int, length: int, parent: Block = GENESIS) -> list[Block]:
    """Blocks above `parent`, told from another chain by their times."""
    blocks = [parent]
    for _ in range(length):
        blocks.append(block_on(blocks[-1], CONTEXT, time_ms=blocks[-1].header.time_ms + time_ms))
    return blocks[1:]


A, B = chain(1, 6), chain(2, 6)


def certified(phase: Phase, view: int, block: Block, side: int) -> Certificate:
    return certify(CONTEXT, phase, view, block, [side, 2, 3])


def opened(view: int, base: Certificate | None, side: int) -> NewView:
    """The NEWVIEW on a base; the colluders and one honest node name it as their highest."""
    changes = []
    for node in (side, 2, 3):
        high = (-1, 0, CONTEXT.start_digest) if base is None else (base.view, base.height, base.digest)
        draft = Summary(0, view, *high, 99, bytes([node]) * 32, node, bytes(64))
        signature = fake_sign(key_of(CONTEXT, node), CONTEXT.summary_bytes(draft))
        changes.append(ViewChange(msgspec.structs.replace(draft, signature=signature), base))
    return new_view(CONTEXT, view, changes, base)


BLOCKS = transcript_of([*A, *B, *chain(3, 4, A[1])])
BRANCH = chain(3, 4, A[1])  # parts from A above height 2

FORKS: dict[str, tuple[Certificate, Certificate, Transcript, set[type]]] = {
    "one slot": (certified(COMMIT, 0, A[0], 0), certified(COMMIT, 0, B[0], 1), Transcript(), {DoubleVote}),
    "one view, two heights": (
        certified(COMMIT, 0, A[0], 0), certified(COMMIT, 0, B[4], 1), Transcript(), {BrokenChain},
    ),
    "the next view starts without the commit": (
        certified(COMMIT, 0, A[2], 0), certified(COMMIT, 1, B[1], 1),
        Transcript(new_views=(opened(1, None, 1),)), {HiddenCommit},
    ),
    "a lower certificate is named": (
        certified(COMMIT, 0, A[3], 0), certified(COMMIT, 1, BRANCH[2], 1),
        Transcript(new_views=(opened(1, certified(PREPARE, 0, A[1], 1), 1),)), {HiddenCommit},
    ),
    "an ancestor certified again hides the lock from the view after": (
        certified(COMMIT, 1, A[3], 0), certified(COMMIT, 3, BRANCH[2], 1),
        Transcript(
            new_views=(opened(2, certified(PREPARE, 0, A[1], 1), 1), opened(3, certified(PREPARE, 2, A[1], 1), 1))
        ),
        {HiddenCommit},
    ),
    "a prepared branch of the same view outranks the commit": (
        certified(COMMIT, 0, A[3], 0), certified(COMMIT, 1, BRANCH[3], 1),
        Transcript((certified(PREPARE, 0, A[3], 0),), (opened(1, certified(PREPARE, 0, BRANCH[2], 1), 1),)),
        {BrokenChain},
    ),
    "a prepared block of the same slot": (
        certified(COMMIT, 0, A[0], 0), certified(COMMIT, 1, B[0], 1),
        Transcript((certified(PREPARE, 0, A[0], 0),), (opened(1, certified(PREPARE, 0, B[0], 1), 1),)), {DoubleVote},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORKS)
def test_each_shape_of_fork_convicts_the_colluders(name: str) -> None:
    one, other, extra, kinds = FORKS[name]
    found = find_evidence(BLOCKS + extra + Transcript((one, other)), CONTEXT, fake_verify)
    assert {evidence.accused for evidence in found} == {2, 3}
    assert {type(evidence.proof) for evidence in found} == kinds


@pytest.mark.parametrize("name", [name for name in FORKS if FORKS[name][2] != Transcript()])
def test_what_is_missing_is_named(name: str) -> None:
    """Without the record the verdict cannot stand, and nobody is accused on suspicion."""
    one, other, extra, _ = FORKS[name]
    bare = BLOCKS + Transcript((one, other))
    assert not find_evidence(bare, CONTEXT, fake_verify)
    first = min(m.view for m in extra.new_views)
    assert missing_for_verdict(one, other, bare, CONTEXT) == (
        f"the NEWVIEW of view {max(first, other.view)} on which the block of height {other.height} was prepared"
    )
    if extra.certificates:
        part = bare + Transcript(new_views=extra.new_views)
        wanted = f"the PREPARE certificate of view {one.view} height {one.height}"
        assert missing_for_verdict(one, other, part, CONTEXT) == wanted
        assert not find_evidence(part, CONTEXT, fake_verify)


def test_forged_messages_neither_accuse_nor_hide() -> None:
    """A forged vote comes first in the slot of a real one; a certificate of honest keys is made up."""
    one, other, _, _ = FORKS["one slot"]
    false = msgspec.structs.replace(certified(COMMIT, 0, B[0], 0), signatures=(bytes(64),) * 3)
    found = find_evidence(Transcript((false, one, other)), CONTEXT, fake_verify)
    assert {evidence.accused for evidence in found} == {2, 3}


def test_a_long_fork_is_convicted_by_the_certificates_near_its_root() -> None:
    """Two certificates 90 heights apart are linked by those that the blocks between embed."""
    long = [GENESIS]
    for height in range(1, 91):
        certificate = certified(COMMIT, 0, long[-1], 1) if height > 1 else None
        long.append(block_on(long[-1], CONTEXT, 0, (), certificate, time_ms=long[-1].header.time_ms + 9))
    known = transcript_of([*A, *long]) + Transcript((certified(COMMIT, 0, A[0], 0), certified(COMMIT, 0, long[90], 1)))
    found = find_evidence(known, CONTEXT, fake_verify)
    assert {evidence.accused for evidence in found} == {2, 3}
    assert all(header_digest(A[0].header) in (e.proof.first.digest, e.proof.second.digest) for e in found)  # type: ignore[union-attr]


@pytest.mark.pitfall(1, 29)
@pytest.mark.parametrize(("size", "count"), [(4, 2), (5, 3), (6, 3), (7, 3), (7, 4)])
def test_random_colluders_are_convicted_and_nobody_else(size: int, count: int) -> None:
    """Real replicas on either side; more than f colluders. Detectors on the way and the verdict after it agree."""
    forks = 0
    for seed in range(60):
        walk = Colluders(size, count, seed)
        walk.walk(300)
        faulty = walk.net.context.members.faulty
        while_running = {e.accused for node in walk.honest for e in walk.net.desks[node].evidence}
        found = {e.accused for e in find_evidence(walk.transcript(), walk.net.context, fake_verify)}
        assert while_running <= set(walk.villains) and found <= set(walk.villains), f"seed {seed}"
        if walk.net.fork is not None:
            forks += 1
            assert len(found) >= faulty + 1, f"seed {seed}: only {found}"
    assert forks >= 2, f"{forks} forks show nothing"


def test_quorums_share_more_than_f() -> None:
    """Why f + 1 can be promised, for every size."""
    for size in range(4, 23):
        members = context_of(size).members
        assert 2 * members.quorum - size >= members.faulty + 1


@pytest.mark.parametrize("size", [4, 5])
def test_everything_that_honest_replicas_ever_signed_proves_nothing_against_them(size: int) -> None:
    """All messages of a walk with one traitor, restarts and view changes included, compared with each other."""
    for seed in range(30):
        walk = Adversary(size, seed)
        walk.walk(250)
        said = walk.seen
        whole = transcript_of([m.block for m in said if isinstance(m, Proposal)] + list(walk.blocks.values()))
        whole += Transcript(
            tuple(walk.certificates),
            tuple(m for m in said if isinstance(m, NewView)),
            tuple(m for m in said if isinstance(m, Vote))
            + tuple(prepare_in(m, walk.net.context) for m in said if isinstance(m, Proposal)),
            tuple(m.summary for m in said if isinstance(m, ViewChange)),
        )
        accused = {evidence.accused for evidence in find_evidence(whole, walk.net.context, fake_verify)}
        assert accused <= {walk.villain}, f"seed {seed}"
