"""The normal case: one leader, no loss (S0 to S5, C4, S12)."""

from tests.consensus.committee import Committee


def test_a_batch_is_decided_and_flushed_in_one_round_each() -> None:
    """C4, pitfall 53: block 1 with the batch, one empty block 2 that carries its roots, then silence."""
    net = Committee()
    net.submit("a")
    net.deliver()
    assert net.heights() == [2] * 4
    assert [len(block.batch_digests) for block in net.desks[0].chain[1:]] == [1, 0]
    assert net.desks[3].chain[2].header.exec_height == 1
    net.run(5_000)
    assert net.heights() == [2] * 4
    assert all(desk.replica.view == 0 and desk.replica.active for desk in net.desks)
