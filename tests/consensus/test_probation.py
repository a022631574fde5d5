"""A replica that may have forgotten what it signed signs nothing; an honest restart is never taken for one (S9, T3)."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.events import BlockChecked, Effects, Pending, Received, Synced, Tick
from consensus.journal_records import OnProbation, Trusted
from consensus.messages import COUNTER_MAX, CertificateMessage, Message, Proposal, Sighting, Status, ViewChange, Vote
from consensus.probation import Place
from consensus.replica import Replica
from consensus.settings import LedgerHead
from primitives.certificate import Phase
from primitives.hashing import ZERO_DIGEST, Digest
from primitives.validators import Epoch, Height, NodeId
from tests.consensus.committee import (
    GENESIS,
    Committee,
    Desk,
    block_on,
    new_view,
    propose,
    view_change,
    vote,
)


def signed(effects: Effects) -> list[Message]:
    """What a step sends that carries a signature of its node."""
    return [m for _, m in effects.send if isinstance(m, Vote | Proposal | ViewChange)]


def word(*seen: Sighting, epoch: int = 0, asks: bool = False) -> Status:
    """A STATUS that only says what its sender has seen."""
    return Status(epoch, COUNTER_MAX, True, COUNTER_MAX, 0, (), seen, asks)


def reborn(desk: Desk, kept: int = 0, height: int = 0) -> Replica:
    """The desk's replica from the first `kept` journal records and a ledger of `height`, on probation."""
    head = LedgerHead(tuple(desk.chain[: height + 1]), None, Height(0))
    replica = Replica.restore(desk.config, desk.journal[:kept], head)
    replica.step(Tick(0))
    return replica


def run_some_blocks() -> Committee:
    """Four desks with two batches decided in view 0: heights 1 to 4."""
    net = Committee()
    for name in "ab":
        net.submit(name)
        net.deliver()
    assert net.heights() == [4] * 4
    return net


def hear_all(replica: Replica, net: Committee, node: int) -> list[str]:
    """The real STATUS of all others; what the replica says about itself."""
    said: list[str] = []
    for other in (n for n in range(len(net.desks)) if n != node):
        status = word(*net.desks[other].replica._state.probation.sightings())
        said += [text for about, text in replica.step(Received(NodeId(other), status)).violations if about == node]
    return said


@pytest.mark.parametrize(("size", "others"), [(4, 2), (5, 3), (7, 4), (1, 0)])
def test_nothing_is_signed_before_q_less_one_others_have_spoken(size: int, others: int) -> None:
    """S9: proposals, checks and joins wait; one member that repeats itself counts once, the own seat and strangers not
    at all. A member alone in its set needs nobody."""
    desk = Committee(size).desks[0]
    replica = Replica(desk.config, desk.head())
    assert replica.votes == (others == 0)
    for sender in (1, 1, 200, 0)[: 4 if others else 0]:
        replica.step(Received(NodeId(sender), word()))
    for sender in range(1, others + 1):
        assert not replica.votes
        replica.step(Received(NodeId(sender), word()))
    assert replica.votes and replica.abstains is None


def test_what_waited_for_the_probation_is_signed_at_its_end() -> None:
    """S9: a proposal is checked meanwhile; the last STATUS that was missing gives the PREPARE."""
    net = Committee()
    desk = net.desks[1]
    replica = Replica(desk.config, desk.head())
    block = block_on(GENESIS, net.context)
    checks = replica.step(Received(NodeId(0), propose(net.context, 0, block))).check
    assert len(checks) == 1 and not signed(replica.step(BlockChecked(checks[0].digest, True)))
    assert not signed(replica.step(Received(NodeId(2), word())))
    assert [type(m) for m in signed(replica.step(Received(NodeId(3), word())))] == [Vote]


def test_a_join_that_came_too_early_is_made_up_for() -> None:
    """L2, S9: f + 1 VIEWCHANGEs came during the probation."""
    net = Committee()
    replica = Replica(net.desks[1].config, net.desks[1].head())
    for signer in (0, 3):
        assert not signed(replica.step(Received(NodeId(signer), view_change(net.context, 1, signer))))
    replica.step(Received(NodeId(0), word()))
    assert [type(m) for m in signed(replica.step(Received(NodeId(3), word())))] == [ViewChange]


def test_no_timer_runs_on_probation() -> None:
    """L1, S9: a batch waits for a minute and nobody answers: no VIEWCHANGE, a STATUS that asks every 50 ms."""
    desk = Committee().desks[2]
    replica = Replica(desk.config, desk.head())
    replica.step(Pending(1, Digest(ZERO_DIGEST)))
    sent = [m for now in range(0, 60_000, 25) for _, m in replica.step(Tick(now)).send]
    assert {type(m) for m in sent} == {Status} and all(m.asks for m in sent if isinstance(m, Status))
    assert len(sent) == 1_200


def test_who_asks_is_answered_at_once() -> None:
    """S9: a fresh network is past its probation one round trip after the first ticks."""
    net = Committee()
    for desk in net.desks:
        desk.replica = Replica(desk.config, desk.head())
    net.now = 25
    for node in range(4):
        net.step(node, Tick(net.now))
    net.deliver()
    assert all(desk.replica.votes for desk in net.desks)
    answers = net.desks[1].replica.step(Received(NodeId(3), word(asks=True))).send
    assert answers == []  # one answer per peer and 25 ms
    net.desks[1].replica.step(Tick(75))
    late = net.desks[1].replica.step(Received(NodeId(3), word(asks=True))).send
    assert [(to, type(m)) for to, m in late] == [(3, Status)]


@pytest.mark.pitfall(44)
def test_a_wiped_directory_with_its_old_key_abstains() -> None:
    """Pitfall 44: all is lost, the others remember votes up to height 4: it follows and signs nothing, for good."""
    net = run_some_blocks()
    replica = reborn(net.desks[2])
    assert [text[:2] for text in hear_all(replica, net, 2)] == ["S9"]
    assert replica.abstains is not None and "view 0 height 4" in replica.abstains
    block = block_on(GENESIS, net.context, time_ms=9_999)
    assert not signed(replica.step(Received(NodeId(0), propose(net.context, 0, block))))
    assert not replica.votes and not any(signed(replica.step(Tick(now))) for now in range(0, 5_000, 25))


@pytest.mark.pitfall(44)
def test_a_restored_backup_abstains() -> None:
    """Pitfall 44: journal and ledger of an hour ago, here heights 1 and 2 of 4."""
    net = run_some_blocks()
    kept = next(i for i, r in enumerate(net.desks[2].journal) if getattr(getattr(r, "vote", None), "height", 0) == 3)
    replica = reborn(net.desks[2], kept, height=2)
    hear_all(replica, net, 2)
    assert replica.abstains is not None


def test_a_ledger_that_others_brought_does_not_hide_the_amnesia() -> None:
    """Pitfall 44: it catches up to height 4 before the others speak; its own place stays where it was at the start."""
    net = run_some_blocks()
    replica = reborn(net.desks[2])
    state = replica._state
    for block in net.desks[0].chain[1:]:
        state.tree.add(block)
    certificate = net.desks[0].replica.decided_certificate
    assert certificate is not None
    replica.step(Received(NodeId(0), CertificateMessage(certificate)))
    assert replica.decided == 4
    hear_all(replica, net, 2)
    assert replica.abstains is not None


@pytest.mark.parametrize("size", [4, 7])
def test_f_liars_silence_nobody(size: int) -> None:
    """S9: f members claim the sky; one more honest one would have to agree."""
    desk = Committee(size).desks[0]
    replica = Replica(desk.config, desk.head())
    faulty = desk.config.context.members.faulty
    for sender in range(1, size):
        claims = [(0, COUNTER_MAX, COUNTER_MAX)] if sender <= faulty else []
        replica.step(Received(NodeId(sender), word(*claims)))
    assert replica.votes
    replica.step(Received(NodeId(size - 1), word((0, 0, 1))))
    assert replica.abstains is not None


def test_claims_about_what_was_signed_since_are_no_amnesia() -> None:
    """S9: the own place grows with every signature, so old words stay harmless and new ones are true."""
    net = run_some_blocks()
    net.restart(2)
    net.submit("c")
    net.deliver()
    assert hear_all(net.desks[2].replica, net, 2) == [] and net.desks[2].replica.votes


@pytest.mark.parametrize("kind", ["PREPARE", "COMMIT", "VIEWCHANGE", "NEWVIEW", "PROPOSE"])
@pytest.mark.pitfall(45)
def test_one_foreign_signature_of_the_own_key_is_enough(kind: str) -> None:
    """T3, pitfall 45: the key runs on another host too; the first message of it that arrives ends the voting here."""
    net = Committee()
    block = block_on(GENESIS, net.context)
    changes = [view_change(net.context, 1, signer) for signer in (0, 2, 3)]
    foreign: dict[str, tuple[int, Message]] = {
        "PREPARE": (2, vote(net.context, Phase.PREPARE, 0, block, 2)),
        "COMMIT": (2, vote(net.context, Phase.COMMIT, 0, block, 2)),
        "VIEWCHANGE": (2, view_change(net.context, 1, 2)),
        "NEWVIEW": (1, new_view(net.context, 1, changes, None)),
        "PROPOSE": (0, propose(net.context, 0, block)),
    }
    node, message = foreign[kind]
    effects = net.step(node, Received(NodeId(3), message))
    assert [(about, text[:2]) for about, text in effects.violations] == [(node, "S9")]
    replica = net.desks[node].replica
    assert replica.abstains is not None and not replica.votes


@pytest.mark.pitfall(45)
def test_two_signatures_of_the_own_key_for_one_slot_are_evidence_too() -> None:
    """S1: the node proves the offence of its own key; the operator sees both."""
    net = Committee()
    ours, theirs = block_on(GENESIS, net.context), block_on(GENESIS, net.context, time_ms=5_000)
    net.step(2, Received(NodeId(0), propose(net.context, 0, ours)))
    effects = net.step(2, Received(NodeId(3), vote(net.context, Phase.PREPARE, 0, theirs, 2)))
    assert [e.accused for e in effects.evidence] == [2] and net.desks[2].replica.abstains is not None


def test_own_messages_that_come_back_are_no_second_holder() -> None:
    """T3: others relay what this node signed, also after its restart and after it left the view."""
    net = Committee()
    block = block_on(GENESIS, net.context)
    net.step(2, Received(NodeId(0), propose(net.context, 0, block)))
    for signer in (0, 3):
        net.step(2, Received(NodeId(signer), view_change(net.context, 1, signer)))
    own = [message for effects in net.desks[2].effects for message in signed(effects)]
    assert [type(m) for m in own] == [Vote, ViewChange]
    for _ in range(2):
        for message in own:
            assert not net.step(2, Received(NodeId(1), message)).violations
        net.restart(2)
    assert net.desks[2].replica.abstains is None


def test_a_directory_made_by_a_resync_abstains_from_the_start() -> None:
    """S9: the driver knows that the directory came from others; the replica follows."""
    net = Committee()
    config = replace(net.desks[1].config, abstains="made by resync")
    replica = Replica(config, net.desks[1].head())
    for sender in (0, 2, 3):
        replica.step(Received(NodeId(sender), word()))
    assert replica.abstains == "made by resync" and not replica.votes
    assert not signed(replica.step(Received(NodeId(0), propose(net.context, 0, block_on(GENESIS, net.context)))))


SEEN = st.dictionaries(st.integers(0, 3), st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=4)


@given(
    words=st.lists(st.tuples(st.integers(0, 3), SEEN), max_size=12), own=st.tuples(st.integers(0, 4), st.integers(0, 4))
)
@settings(max_examples=200, deadline=None)
def test_amnesia_is_more_than_f_last_words_above_the_own_place(
    words: list[tuple[int, dict[int, tuple[int, int]]]], own: tuple[int, int]
) -> None:
    """S9 against a naive model: per member its last word about this seat, counted where it is above."""
    probation = Replica(Committee().desks[0].config, Committee().desks[0].head())._state.probation
    probation.own = Place(*own)
    last: dict[int, tuple[int, int]] = {}
    for sender, seen in words:
        status = word(*((seat, *place) for seat, place in sorted(seen.items())))
        probation.hear(NodeId(sender), status, NodeId(0))
        last |= {sender: seen[0]} if 0 in seen else {}
    assert (probation.amnesia(1) is not None) == (sum(place > own for place in last.values()) > 1)
    assert probation.over == (len({sender for sender, _ in words}) >= 2)


@pytest.mark.pitfall(44)
@pytest.mark.parametrize("rotated", [False, True])
def test_what_others_brought_is_no_memory_after_a_restart_either(rotated: bool) -> None:
    """Pitfall 44: wiped, caught up to height 4 before anybody vouched, stopped, started again: its ledger now reaches
    as far as its forgotten votes, and it abstains all the same."""
    net = run_some_blocks()
    desk = net.desks[2]
    certificate = net.desks[0].replica.decided_certificate
    assert certificate is not None
    first = Replica(desk.config, LedgerHead((GENESIS,), None, Height(0)))
    journal = list(first.step(Tick(0)).persist)
    assert journal == [OnProbation(0, 0, 0)]
    journal += first.step(Synced(tuple(net.desks[0].chain[1:]), certificate)).persist
    assert first.decided == 4
    again = Replica.restore(desk.config, first.journal_snapshot() if rotated else journal, desk.head())
    assert again.step(Tick(0)).persist == [] and hear_all(again, net, 2)
    assert again.abstains is not None


@pytest.mark.pitfall(44, 45)
@pytest.mark.parametrize("rotated", [False, True])
def test_abstaining_outlives_a_restart_and_ends_with_the_epoch(rotated: bool) -> None:
    """S9, T3: the journal remembers the reason; in the next epoch the key has signed nothing yet."""
    net = Committee(5)
    desk = net.desks[2]
    net.step(2, Received(NodeId(3), vote(net.context, Phase.COMMIT, 0, block_on(GENESIS, net.context), 2)))
    reason = desk.replica.abstains
    records = desk.replica.journal_snapshot() if rotated else desk.journal
    again = Replica.restore(desk.config, records, desk.head())
    assert reason is not None and again.abstains == reason
    context = replace(net.context, epoch=Epoch(1))
    later = Replica.restore(replace(desk.config, context=context), records, desk.head())
    assert later.abstains is None


def test_who_was_vouched_for_remembers_by_its_journal() -> None:
    """S9: one record at the start and one at the end of the probation; the next start goes by the votes since."""
    net = Committee()
    net.restart(2)
    assert net.desks[2].journal[:2] == [OnProbation(0, 0, 0), Trusted(0)]
    net.submit("a")
    net.deliver()
    net.restart(2)
    assert net.desks[2].replica.abstains is None and OnProbation(0, 0, 2) in net.desks[2].journal
