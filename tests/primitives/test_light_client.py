"""What an outsider may believe: sets by handovers, headers by certificates, nothing of an epoch that is over."""

import pytest
from msgspec.structs import replace

from primitives.block import Header, header_digest
from primitives.certificate import Phase
from primitives.codec import Malformed, encode
from primitives.genesis import Genesis
from primitives.handover import Handover
from primitives.light_client import (
    HEADERS_MAX,
    KNOWN_MAX,
    STALE_MS,
    Certified,
    Conflict,
    TrustedEpochs,
    decode_trust,
)
from primitives.state_proof import EMPTY_STATE_ROOT
from primitives.validators import ValidatorSet
from tests.primitives.epochs import GENESIS, MEMBERS, EpochChain, changing, sign


def trusting(chain: EpochChain, epochs: int | None = None) -> TrustedEpochs:
    trusted = TrustedEpochs(GENESIS)
    for handover in chain.handovers[:epochs]:
        trusted.advance(handover)
    return trusted


@pytest.mark.pitfall(62)
def test_each_handover_proves_the_next_members_and_they_prove_headers() -> None:
    chain = changing()
    trusted = trusting(chain)
    assert trusted.epoch == 3 and trusted.members.hash == chain.members.hash
    for header in chain.headers[1:]:
        assert trusted.certified_header(chain.shown(header.height)) == header
    assert trusted.newest is not None and trusted.newest.headers[0] == chain.headers[-1]


def test_a_header_is_proven_by_certified_descendants_even_of_the_next_epoch() -> None:
    chain = changing()
    trusted = trusting(chain)
    close = chain.handovers[0].header.height
    assert trusted.certified_header(chain.shown(close - 1, close + 2)) == chain.headers[close - 1]
    gap = chain.shown(close - 1, close + 2)
    with pytest.raises(Malformed, match="not the child"):
        trusted.certified_header(replace(gap, headers=gap.headers[:1] + gap.headers[2:]))


@pytest.mark.pitfall(62)
def test_a_handover_must_follow_and_must_be_signed_by_the_members_before_it() -> None:
    chain = changing()
    first, second, third = chain.handovers
    with pytest.raises(Malformed, match="is due"):
        TrustedEpochs(GENESIS).advance(second)
    strangers = tuple(MEMBERS[4:8])
    lies: list[Handover] = [
        replace(second, seats=strangers),
        replace(second, seats=second.seats[:3]),
        replace(second, certificate=third.certificate),
        replace(second, certificate=sign(second.header, ValidatorSet(strangers))),
        replace(second, certificate=sign(second.header, chain.sets[1], phase=Phase.PREPARE)),
        replace(second, header=replace(second.header, next_valset_hash=None)),
    ]
    for lie in lies:
        trusted = trusting(chain, 1)
        before = encode(trusted.record())
        with pytest.raises(Malformed):
            trusted.advance(lie)
        assert encode(trusted.record()) == before, "what is wrong changes nothing"
        trusted.advance(second)
    assert first.header.epoch == 0


@pytest.mark.pitfall(65)
def test_old_keys_prove_nothing_above_their_close_block() -> None:
    """The members of epoch 0 go on signing after they were replaced: at old heights that others hold, and at new ones.
    """
    chain = changing()
    trusted = trusting(chain)
    close = chain.handovers[0].header.height
    fork = EpochChain()
    fork.add(close + 3, proposer=2)
    with pytest.raises(Malformed, match=f"epoch has the blocks 1 to {close}"):
        trusted.certified_header(fork.shown(close + 1))
    with pytest.raises(Malformed, match="FORK ALARM"):
        trusted.certified_header(fork.shown(close))
    naive = TrustedEpochs(GENESIS)
    assert naive.certified_header(fork.shown(close + 1)), "who knows only the genesis cannot tell: hence the record"
    again = TrustedEpochs(GENESIS, decode_trust(encode(trusted.record())))
    with pytest.raises(Malformed, match="epoch has the blocks"):
        again.certified_header(fork.shown(close + 1))


@pytest.mark.pitfall(65)
def test_another_end_of_an_epoch_that_is_over_is_a_fork() -> None:
    chain = changing()
    again = TrustedEpochs(GENESIS, decode_trust(encode(trusting(chain).record())))
    fork = EpochChain()
    fork.add(3, proposer=1)
    other = fork.close(tuple(MEMBERS[4:8]))
    with pytest.raises(Conflict) as caught:
        again.advance(other)
    assert caught.value.known.headers[0] == chain.handovers[0].header and caught.value.found.headers[0] == other.header
    for certified in (caught.value.known, caught.value.found):
        TrustedEpochs(GENESIS).certified_header(certified)  # each is evidence of its own
    assert again.epoch == 3
    unsigned = replace(other, certificate=replace(other.certificate, signatures=(bytes(64),) * 3))
    with pytest.raises(Malformed) as lie:
        again.advance(unsigned)
    assert not isinstance(lie.value, Conflict), "without signatures it is a lie of one node, not a fork"


def test_two_certified_headers_at_one_height_are_a_fork() -> None:
    chain, fork = EpochChain(), EpochChain()
    chain.add(5)
    fork.add(5, proposer=3)
    trusted = trusting(chain)
    trusted.certified_header(chain.shown(2, 4))
    for height in (2, 3, 4):
        with pytest.raises(Conflict) as caught:
            trusted.certified_header(fork.shown(height))
        assert caught.value.found.headers[0] == fork.headers[height]
    lonely = trusting(chain)
    lonely.certified_header(chain.shown(3))
    with pytest.raises(Conflict):
        lonely.certified_header(fork.shown(3))
    for beside in (1, 5):
        with pytest.raises(Conflict):
            trusted.certified_header(fork.shown(beside))
    assert trusted.newest is not None and trusted.newest.headers[0] == chain.headers[4]


def test_a_close_block_below_a_certified_block_of_its_epoch_is_a_fork() -> None:
    chain, fork = EpochChain(), EpochChain()
    chain.add(6)
    fork.add(3)
    trusted = trusting(chain)
    trusted.certified_header(chain.shown(6))
    with pytest.raises(Conflict):
        trusted.advance(fork.close(tuple(MEMBERS[4:8])))
    assert trusted.epoch == 0


def test_a_certificate_must_be_of_this_block_phase_set_and_chain() -> None:
    chain = changing(1)
    trusted = trusting(chain)
    last = chain.headers[-1]
    other = Genesis(GENESIS.format, "another", GENESIS.time, GENESIS.validators, ())
    good = chain.certificates[-1]
    assert good is not None
    lies = [
        replace(good, digest=header_digest(chain.headers[-2])),
        replace(good, height=last.height - 1),
        replace(good, epoch=0),
        replace(good, epoch=2),
        replace(good, signers=0b1110),
        replace(good, signatures=(*good.signatures[:2], bytes(64))),
        sign(last, chain.members, phase=Phase.PREPARE),
        sign(last, chain.sets[0]),
        None,
    ]
    for lie in lies:
        with pytest.raises(Malformed):
            trusted.certified_header(Certified((last,), lie))
    with pytest.raises(Malformed):
        TrustedEpochs(other).certified_header(chain.shown(1))
    assert trusted.certified_header(chain.shown(last.height)) == last


def test_genesis_is_believed_only_with_its_own_root() -> None:
    chain = EpochChain()
    shown = chain.shown(0)
    with pytest.raises(Malformed, match="genesis"):
        TrustedEpochs(GENESIS).certified_header(shown)
    with pytest.raises(Malformed, match="genesis"):
        TrustedEpochs(GENESIS, genesis_root=lambda: bytes(32)).certified_header(shown)
    assert TrustedEpochs(GENESIS, genesis_root=lambda: EMPTY_STATE_ROOT).certified_header(shown).height == 0


def test_the_record_is_a_pin_that_needs_no_old_handovers() -> None:
    chain = changing()
    kept = trusting(chain, 2)
    kept.certified_header(chain.shown(chain.handovers[1].header.height + 1))
    again = TrustedEpochs(GENESIS, decode_trust(encode(kept.record())))
    assert again.epoch == 2 and again.record() == kept.record()
    again.advance(chain.handovers[2])
    assert again.certified_header(chain.shown(len(chain.headers) - 1)) == chain.headers[-1]
    old = chain.shown(chain.handovers[0].header.height + 1)
    with pytest.raises(Malformed, match="handover that opened it is missing"):
        again.certified_header(old)
    again.advance(chain.handovers[0])
    assert again.certified_header(old) == old.headers[0], "shown again, epoch 1 proves its own blocks"


def test_a_record_of_another_chain_or_format_is_refused() -> None:
    record = trusting(changing()).record()
    other = Genesis(GENESIS.format, "another", GENESIS.time, GENESIS.validators, ())
    with pytest.raises(Malformed, match="of chain"):
        TrustedEpochs(other, record)
    with pytest.raises(Malformed, match="format 2"):
        decode_trust(encode(replace(record, format=2)))
    with pytest.raises(Malformed):
        decode_trust(encode(record)[:-1])


def test_an_answer_far_behind_the_newest_proven_one_is_stale() -> None:
    chain = EpochChain()
    chain.add(STALE_MS // 1000 + 2)  # a block per second
    trusted = trusting(chain)
    old: Header = trusted.certified_header(chain.shown(1))
    assert not trusted.is_stale(old) and trusted.age_behind_newest_ms(old) == 0
    newest = trusted.certified_header(chain.shown(len(chain.headers) - 1))
    assert trusted.is_stale(trusted.certified_header(chain.shown(1))) and not trusted.is_stale(newest)
    assert not trusted.is_stale(chain.headers[2]), "exactly the bound is not beyond it"


def test_memory_is_bounded() -> None:
    chain = EpochChain()
    chain.add(KNOWN_MAX + 20)
    trusted = trusting(chain)
    for height in range(1, len(chain.headers)):
        trusted.certified_header(chain.shown(height))
    assert len(trusted._known) == KNOWN_MAX
    assert HEADERS_MAX >= 1 + 2 * 32, "a window to the covering header and one to the certified"


def test_a_known_handover_may_have_other_signers_but_no_wrong_ones() -> None:
    """A proof file must be true in every byte, also where the reader knows the handover already."""
    chain = changing()
    trusted = trusting(chain)
    first = chain.handovers[0]
    trusted.advance(replace(first, certificate=sign(first.header, chain.sets[0], view=3)))
    for lie in (
        replace(first, certificate=replace(first.certificate, signatures=(bytes(64),) * 3)),
        replace(first, certificate=sign(first.header, chain.sets[1])),
        replace(first, seats=chain.handovers[1].seats),
    ):
        with pytest.raises(Malformed):
            trusted.advance(lie)
    again = TrustedEpochs(GENESIS, trusted.record())
    assert [again.knows(epoch) for epoch in (-1, 0, 1, 2, 3, 4)] == [False, True, False, False, True, False]
    for handover in chain.handovers:
        again.advance(handover)
    assert all(again.knows(epoch) for epoch in range(4))
