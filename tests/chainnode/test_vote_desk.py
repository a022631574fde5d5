"""Votes wait for the number that matters, and are verified together: one bad one costs its carrier and nobody else."""

from collections.abc import Callable, Sequence

import msgspec
import pytest

from chainnode.signatures import LANES_WORTH, SignatureCache, build_bulk_verifier, verify_each
from chainnode.vote_desk import SURPLUS_TICKS, TOGETHER_MAX, VoteDesk
from consensus.events import Received
from consensus.messages import Vote
from primitives.certificate import Phase
from primitives.keys import SigningKey
from primitives.transaction import SignatureCheck
from primitives.validators import NodeId
from tests.consensus.committee import GENESIS, Committee, block_on, context_of, fake_verify, propose, vote

CONTEXT = context_of(7)  # five of seven decide
BLOCK = block_on(GENESIS, CONTEXT)
OTHER = block_on(GENESIS, CONTEXT, time_ms=5_000)


class Stub:
    """Says how many votes are missing."""

    def __init__(self, missing: int | None) -> None:
        self.missing = missing

    def votes_missing(self, vote: Vote) -> int | None:
        return self.missing


class Counter:
    """A desk whose checks are counted."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.forged: list[int] = []
        self.desk = VoteDesk(self._verify, lambda: CONTEXT, lambda node, _: self.forged.append(node))

    def _verify(self, checks: Sequence[SignatureCheck]) -> list[bool]:
        self.calls.append(len(checks))
        return verify_each(fake_verify, checks)

    def carry(self, sender: int, *signers: int, forged: bool = False, height: int = 1, at_once: bool = False) -> None:
        for signer in signers:
            one = vote(CONTEXT, Phase.COMMIT, 0, BLOCK, signer)
            one = msgspec.structs.replace(_spoiled(one) if forged else one, height=height)
            self.desk.take(NodeId(sender), one, None if at_once else 7)

    def take(self, *signers: int, phase: Phase = Phase.COMMIT, forged: bool = False) -> None:
        for signer in signers:
            one = vote(CONTEXT, phase, 0, BLOCK, signer)
            self.desk.take(NodeId(signer), _spoiled(one) if forged else one, 7)

    def due(self, missing: int | None) -> list[int]:
        return [one.signer for _, one in self.desk.due(Stub(missing))]


def _spoiled(one: Vote) -> Vote:
    return Vote(one.phase, one.epoch, one.view, one.height, one.digest, one.signer, bytes(64))


def test_votes_are_verified_together_when_there_are_enough() -> None:
    count = Counter()
    count.take(1, 2)
    assert count.due(3) == [] and not count.calls
    count.take(3)
    assert count.due(3) == [1, 2, 3] and count.calls == [3]
    assert count.due(3) == [], "each is given once"


def test_a_turn_is_worth_it_only_for_what_would_be_due() -> None:
    desk = Counter().desk
    votes = [vote(CONTEXT, Phase.COMMIT, 0, BLOCK, signer) for signer in range(4)]
    assert not desk.take(NodeId(0), votes[0], 3) and not desk.take(NodeId(1), votes[1], 3)
    assert desk.take(NodeId(2), votes[2], 3), "the third of three"
    assert [one.signer for _, one in desk.due(Stub(3))] == [0, 1, 2]
    assert not desk.take(NodeId(3), votes[3], 0), "the certificate is there"
    assert desk.take(NodeId(0), vote(CONTEXT, Phase.PREPARE, 0, BLOCK, 0), None), "the core wants it at once"
    assert [one.phase for _, one in desk.due(Stub(0))] == [Phase.PREPARE]
    assert not desk.take(NodeId(0), votes[0], 5)
    assert desk.take(NodeId(0), vote(CONTEXT, Phase.COMMIT, 0, OTHER, 0), 5), "they contradict each other"


def test_no_more_are_verified_than_are_missing() -> None:
    count = Counter()
    count.take(1, 2, 3, 4)
    assert count.due(2) == [1, 2] and count.calls == [2]
    assert count.due(0) == [] and count.calls == [2], "the certificate is there"


def test_a_bad_vote_costs_its_carrier_only_and_another_takes_its_place() -> None:
    count = Counter()
    count.take(1)
    count.take(2, forged=True)
    assert count.due(2) == [1] and count.forged == [2]
    count.take(3)
    assert count.due(1) == [3] and count.forged == [2]


def test_behind_a_forged_vote_the_true_one_of_the_same_signer_counts() -> None:
    """Anybody may carry a vote; a liar must not keep another one's vote out (pitfalls 7, 8)."""
    count = Counter()
    count.desk.take(NodeId(6), _spoiled(vote(CONTEXT, Phase.COMMIT, 0, BLOCK, 1)), 7)
    count.take(1)
    assert count.due(1) == [1] and count.forged == [6]


def test_what_contradicts_is_looked_at_at_once() -> None:
    """Two votes of a signer for two blocks are evidence, also if no certificate is near (S1)."""
    count = Counter()
    count.take(1)
    count.desk.take(NodeId(1), vote(CONTEXT, Phase.COMMIT, 0, OTHER, 1), 7)
    assert count.due(5) == [1, 1]
    count.take(2)
    assert count.due(None) == [2]


def test_nothing_waits_longer_than_two_ticks() -> None:
    """L4: what came is known to others by STATUS, so it must not lie here."""
    count = Counter()
    count.take(1)
    count.desk.tick()
    assert count.due(4) == []
    count.desk.tick()
    assert count.due(4) == [1]


@pytest.mark.pitfall(44)
def test_of_the_votes_that_nobody_needed_the_highest_of_each_signer_is_seen_after_all() -> None:
    count = Counter()
    count.take(5, 6)
    assert count.due(0) == []
    for _ in range(SURPLUS_TICKS):
        count.desk.tick()
    assert sorted(count.due(0)) == [5, 6] and count.calls == [2]
    for _ in range(SURPLUS_TICKS):
        count.desk.tick()
    assert count.due(0) == []


def test_a_flood_of_forged_votes_for_one_place_is_verified_and_ends() -> None:
    """Bounded: one more than there are members, and the carrier pays."""
    count = Counter()
    count.take(*[1] * (CONTEXT.members.size + 1), forged=True)
    assert count.due(5) == [] and count.forged == [1]
    assert not count.desk._waiting


def test_who_forged_one_vote_is_not_heard_on_the_others() -> None:
    """What a liar sends before its link is closed must not cost a signature each."""
    count = Counter()
    for height in range(1, 301):
        count.carry(6, 1, 2, 3, 4, 5, forged=True, height=height)
    count.take(2)
    assert count.due(1) == [2] and count.forged == [6]
    assert sum(count.calls) <= TOGETHER_MAX + 1 and not count.desk._waiting


def test_a_burst_of_forged_votes_is_verified_in_part_only() -> None:
    """All of them are due at once: a vote far away waits for nobody."""
    count = Counter()
    for height in range(1, 301):
        count.carry(6, 1, forged=True, height=height)
    assert count.due(None) == [] and count.forged == [6]
    assert sum(count.calls) == TOGETHER_MAX


@pytest.mark.pitfall(44)
def test_a_forged_vote_does_not_drive_out_what_a_signer_showed_itself() -> None:
    count = Counter()
    count.take(5)
    count.carry(6, 5, forged=True, height=9)
    count.due(0)
    for _ in range(SURPLUS_TICKS):
        count.desk.tick()
    assert count.due(0) == [5] and count.forged == [6]


@pytest.mark.pitfall(45)
def test_what_the_core_wants_at_once_does_not_wait_behind_others() -> None:
    """Votes of others make the certificate; the one with the own key must be seen before all of them are void."""
    count = Counter()
    count.take(1, 2)
    count.carry(1, 3, at_once=True)
    assert count.due(2) == [1, 2, 3]


def test_another_epoch_begins_with_an_empty_desk() -> None:
    count = Counter()
    count.take(1, 2)
    count.desk.clear()
    count.take(3)
    assert count.due(1) == [3]


@pytest.mark.parametrize("number", [1, LANES_WORTH, 9])
def test_one_bad_vote_among_many_is_found_and_the_others_are_remembered(number: int) -> None:
    """The verdicts of a call for eight are those of libsodium, and a certificate of these votes costs nothing more."""
    keys = [SigningKey.from_seed(bytes([n + 1]) * 32) for n in range(number)]
    checks = [SignatureCheck(key.public_key, b"vote", key.sign(b"vote")) for key in keys]
    checks[0] = checks[0]._replace(message=b"another")
    cache = SignatureCache()
    verifier = build_bulk_verifier(cache)
    expected = [False] + [True] * (number - 1)
    assert verifier.verify_votes(checks) == expected and cache.saved == 0
    assert verifier.verify_votes(checks) == expected and cache.saved == number - 1


# What the core says about a vote.


def missing(prepare: Callable[[Committee], None], one: Vote) -> int | None:
    net = Committee(7)
    prepare(net)
    return net.desks[3].replica.votes_missing(one)


def test_the_core_counts_what_it_holds() -> None:
    commit = vote(CONTEXT, Phase.COMMIT, 0, BLOCK, 1)
    assert missing(lambda net: None, commit) == 5

    def two_came(net: Committee) -> None:
        for signer in (1, 2):
            net.step(3, _received(vote(CONTEXT, Phase.COMMIT, 0, BLOCK, signer)))

    assert missing(two_came, vote(CONTEXT, Phase.COMMIT, 0, BLOCK, 4)) == 3
    assert missing(two_came, vote(CONTEXT, Phase.COMMIT, 0, OTHER, 4)) is None, "it contradicts"


def test_the_core_wants_what_is_odd_at_once() -> None:
    own = vote(CONTEXT, Phase.COMMIT, 0, BLOCK, 3)
    assert missing(lambda net: None, own) is None, "S9: somebody else signs with this key"
    for view in (1, 40):
        elsewhere = vote(CONTEXT, Phase.COMMIT, view, BLOCK, 1)
        assert missing(lambda net: None, elsewhere) is None, "of another view nothing gathers"

    def proposed(net: Committee) -> None:
        net.step(3, _received(propose(CONTEXT, 0, BLOCK), 0))

    foreign = vote(CONTEXT, Phase.PREPARE, 0, OTHER, 1)
    assert missing(proposed, foreign) is None, "pitfall 9: the signer is shown the proposal"
    assert missing(proposed, vote(CONTEXT, Phase.PREPARE, 0, BLOCK, 1)) == 3, "the leader's and the own one are there"


def test_votes_of_a_decided_height_are_not_needed() -> None:
    net = Committee(7)
    net.submit("a")
    net.deliver()
    block = net.desks[3].chain[1]
    assert net.desks[3].replica.votes_missing(vote(net.context, Phase.COMMIT, 0, block, 1)) == 0


def _received(message: object, sender: int | None = None) -> Received:
    signer = getattr(message, "signer", 0) if sender is None else sender
    return Received(NodeId(signer), message)  # type: ignore[arg-type]
