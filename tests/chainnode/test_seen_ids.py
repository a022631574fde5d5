"""Which ids count as executed lately is a matter of the blocks alone: of a node that just started too (C6)."""

import pytest

from chainnode.seen_ids import SeenIds
from primitives.transaction import VALIDITY_SECONDS_MAX
from tests.ledger.builders import new_chain, transaction_id

STEP_S = 100


@pytest.mark.pitfall(71)
@pytest.mark.parametrize("mentioned", [(1,), (1, 2), (1, 4), (1, 4, 7), (1, 7, 8), (2, 3, 6, 12)])
def test_a_node_that_starts_anywhere_has_seen_what_the_others_have(mentioned: tuple[int, ...]) -> None:
    builder, live = new_chain(), SeenIds()
    builder.step_ms = 1000 * STEP_S
    for height in range(1, 21):
        builder.add(*([b"x=1"] if height in mentioned else []), b"n%d=1" % height)
        header = builder.chain.header(height)
        assert header is not None
        time_s = header.time_ms // 1000
        live.advance(time_s)
        live.add(time_s, builder.chain.transaction_ids(height))
        started = SeenIds.load(builder.chain)
        started.advance(time_s + STEP_S)
        live.advance(time_s + STEP_S)  # the next block
        last = max((at for at in mentioned if at <= height), default=None)
        expected = last is not None and (height + 1 - last) * STEP_S <= VALIDITY_SECONDS_MAX
        assert (transaction_id(b"x=1") in live, transaction_id(b"x=1") in started) == (expected, expected), height
        assert len(live) == len(started)


def test_two_blocks_of_one_second_are_forgotten_together() -> None:
    seen = SeenIds()
    for ids in ([b"a", b"b", b"a"], [b"a"], [b"c"]):
        seen.add(10, ids)
    seen.advance(10 + VALIDITY_SECONDS_MAX)
    assert len(seen) == 3
    seen.advance(11 + VALIDITY_SECONDS_MAX)
    assert len(seen) == 0 and not seen._again
