"""The NEWVIEW of a view is recorded once, in the first own block of its leader, and everybody checks it (C11)."""

import pytest

from consensus.events import BuildBlock, Received, Synced
from consensus.messages import NewView, Proposal, Vote
from consensus.view_change import decode_new_view, recorded_place
from primitives.block import Block, new_view_hash
from primitives.certificate import Phase
from primitives.codec import Malformed, encode
from primitives.validators import Height, NodeId, View
from tests.consensus.committee import GENESIS, Committee, Desk, block_on, certify, new_view, propose, view_change


def opened(net: Committee, node: int, view: int = 1) -> tuple[NewView, Block]:
    """Node holds block 1 of view 0 and enters `view` with it as base; the NEWVIEW and the base."""
    base = block_on(GENESIS, net.context)
    net.step(node, Received(NodeId(0), propose(net.context, 0, base)))
    lock = certify(net.context, Phase.PREPARE, 0, base, [0, 2, 3])
    message = new_view(net.context, view, [view_change(net.context, view, s, lock) for s in (0, 1, 2)], lock)
    net.step(node, Received(net.context.leader(view), message))
    assert net.desks[node].replica.view == view
    return message, base


def heights_prepared(net: Committee, node: int, view: int) -> list[int]:
    """Heights at which the node sent PREPARE in the view."""
    sent = [m for effects in net.desks[node].effects for _, m in effects.send]
    return [m.height for m in sent if isinstance(m, Vote) and m.view == view and m.phase is Phase.PREPARE]


def test_the_first_block_after_a_view_change_carries_its_new_view_and_no_later_one() -> None:
    """C11: the leader of view 1 adds it once; all blocks of view 0 and all later ones of view 1 are without."""
    net = Committee()
    net.submit("a")
    net.deliver()
    net.down.add(0)
    for name in "bcd":
        net.submit(name)
        net.run(2_000)
    chain = net.desks[1].chain
    recorded = [block for block in chain if block.header.new_view_hash is not None]
    assert len(recorded) == 1 and recorded[0].header.height == 3 and len(chain) > 6
    assert recorded[0].new_view is not None
    message = decode_new_view(recorded[0].new_view)
    assert (message.view, recorded_place(message)) == (1, (View(1), Height(2)))
    assert recorded[0].header.new_view_hash == new_view_hash(recorded[0].new_view)


@pytest.mark.parametrize("case", ["recorded", "missing", "another", "twice", "in view 0"])
def test_a_block_that_records_wrongly_gets_no_prepare(case: str) -> None:
    """C11: exactly the accepted NEWVIEW, exactly once above the base, never in view 0."""
    net = Committee()
    message, base = opened(net, 3)
    raw = encode(message)
    other = encode(new_view(net.context, 1, [view_change(net.context, 1, s) for s in (0, 1, 2)], None))
    first = block_on(base, net.context, view=1, new_view={"missing": None, "another": other}.get(case, raw))
    second = block_on(first, net.context, view=1, new_view=raw if case == "twice" else None)
    if case == "in view 0":
        net = Committee()
        net.step(3, Received(NodeId(0), propose(net.context, 0, block_on(GENESIS, net.context, new_view=raw))))
        assert heights_prepared(net, 3, 0) == []
    else:
        for block in (first, second):
            net.step(3, Received(NodeId(1), propose(net.context, 1, block)))
        assert heights_prepared(net, 3, 1) == {"recorded": [1, 2, 3], "twice": [1, 2]}.get(case, [1])
    said = [text[:3] for _, text in net.desks[3].violations]
    assert said == ([] if case == "recorded" else ["C11"])


def test_a_base_keeps_the_record_of_its_own_view() -> None:
    """C11, S8: block 2 of view 1 carries NEWVIEW(1) and is the base of view 2; the base is not looked at, the first
    block above it carries NEWVIEW(2)."""
    net = Committee()
    message, base = opened(net, 3)
    second = block_on(base, net.context, view=1, new_view=encode(message))
    net.step(3, Received(NodeId(1), propose(net.context, 1, second)))
    lock = certify(net.context, Phase.PREPARE, 1, second, [0, 1, 2])
    again = new_view(net.context, 2, [view_change(net.context, 2, s, lock) for s in (0, 1, 2)], lock)
    net.step(3, Received(NodeId(2), again))
    third = block_on(second, net.context, view=2, new_view=encode(again))
    net.step(3, Received(NodeId(2), propose(net.context, 2, third)))
    assert heights_prepared(net, 3, 2) == [2, 3] and not net.desks[3].violations


def test_the_record_is_looked_for_below_the_decided_height() -> None:
    """C11: the recorded block is decided and gone from the slots; its child is without, another record is refused."""
    net = Committee()
    message, base = opened(net, 3)
    first = block_on(base, net.context, view=1, new_view=encode(message))
    net.step(3, Synced((base, first), certify(net.context, Phase.COMMIT, 1, first, [0, 1, 2])))
    assert net.heights()[3] == 2
    certificate = certify(net.context, Phase.COMMIT, 1, first, [0, 1, 2])
    net.step(3, Received(NodeId(1), propose(net.context, 1, block_on(first, net.context, 1, (), certificate))))
    assert heights_prepared(net, 3, 1) == [1, 3]


def test_far_above_the_base_the_record_is_not_asked_for_again() -> None:
    """C11: 2 W blocks above the base nobody can look that far; blocks go on without it, the leader's too."""
    net = Committee(window=2)
    net.down.add(0)
    for number in range(8):
        net.submit(f"b{number}")
        net.run(1_500 if number == 0 else 200)
    net.restart(1)
    net.restart(3)
    net.submit("last")
    net.run(500)
    chain = net.desks[2].chain
    assert len(chain) > 12 and [b.header.height for b in chain if b.new_view is not None] == [1]
    assert net.desks[1].replica.view == 1 and not any(desk.violations for desk in net.desks)


def test_the_leader_does_not_propose_a_block_without_its_record() -> None:
    """C11: a driver that forgets the record is told so, and nothing is proposed."""
    net = Committee()
    asked: list[bytes | None] = []

    def forgetful(desk: Desk, build: BuildBlock) -> Block:
        asked.append(build.new_view)
        return block_on(build.parent_block, net.context, view=1)

    net.build = forgetful  # type: ignore[method-assign]
    for signer in (0, 2):
        net.step(1, Received(NodeId(signer), view_change(net.context, 1, signer)))
    net.submit("a", 1)
    accepted = net.desks[1].replica._state.new_view
    assert accepted is not None and set(asked) == {encode(accepted)}
    assert [text[:3] for _, text in net.desks[1].violations] == ["C11"] * len(asked)
    assert not [m for effects in net.desks[1].effects for _, m in effects.send if isinstance(m, Proposal)]


def test_a_record_of_bad_bytes_is_malformed() -> None:
    """What the executor reads is canonical."""
    for raw in (b"", b"\x00", encode(view_change(Committee().context, 1, 0))):
        with pytest.raises(Malformed):
            decode_new_view(raw)
