"""Who lags across the end of an epoch: the others have gone on, and what they keep in their cores with them (C8)."""

import pytest

from consensus.events import CatchUp, Received, Synced, Tick
from consensus.messages import BlockRequest, CertificateMessage
from primitives.validators import NodeId
from tests.consensus.committee import Committee
from tests.consensus.test_epochs import CLOSING


@pytest.mark.pitfall(32)
def test_a_close_block_that_no_core_keeps_any_more_comes_by_catch_up() -> None:
    """C8, L8: node 4 lacks the close block alone, so by hash it would be had from anybody. But the others are more than
    2 W blocks into the next epoch: no core has it, only the ledgers, and no higher certificate of this epoch exists."""
    net = Committee(5)
    net.submit("a")
    net.deliver()
    net.closing = CLOSING
    net.submit("b")
    net.deliver(lambda sender, receiver, message: receiver != 4)
    assert net.heights() == [3, 3, 3, 3, 2]
    close, certificate = net.desks[0].chain[3], net.desks[0].decisions[-1].certificate
    net.mail.clear()
    net.step(4, Received(NodeId(0), CertificateMessage(certificate)))
    fetches: list[tuple[int, CatchUp]] = []
    for now_ms in range(25, 3_000, 25):
        fetches += [(now_ms, fetch) for fetch in net.step(4, Tick(now_ms)).fetch]
    asked = {receiver for _, receiver, message in net.mail if isinstance(message, BlockRequest)}
    assert asked == {0, 1, 2, 3}, "first everybody is asked for the one block"
    assert [fetch for _, fetch in fetches] == [CatchUp(2, certificate)] * 3 and fetches[0][0] >= 400
    assert net.step(4, Synced((close,), certificate)).decide and net.desks[4].replica.closed
