"""The exposition: names that dashboards rely on, values of the node, and no label that grows without bound."""

from prometheus_client.parser import text_string_to_metric_families

from chainnode.metrics import Metrics
from tests.chainnode.solo import Town


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(metrics.text().decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def test_the_node_is_told_at_each_scrape() -> None:
    town, metrics = Town(), Metrics()
    metrics.watch(town.node)
    assert samples(metrics)["hn_consensus_height", ()] == 0
    town.run(town.issue("o1"))
    town.node.ready = False
    found = samples(metrics)
    assert found["hn_consensus_height", ()] == 1 and found["hn_ready", ()] == 0
    assert {name for name, _ in found} >= {
        "hn_consensus_view", "hn_mempool_transactions", "hn_mempool_bytes", "hn_peers_connected",
    }  # fmt: skip


def test_blocks_and_what_peers_did_are_counted() -> None:
    metrics = Metrics()
    metrics.observe_block(committed=3, rejected=1, skipped=0, execute_s=0.003, write_s=0.001)
    metrics.observe_view_change()
    metrics.observe_violation("node2")
    found = samples(metrics)
    assert found["hn_blocks_total", ()] == 1
    assert found["hn_transactions_total", (("status", "committed"),)] == 3
    assert found["hn_transactions_total", (("status", "rejected"),)] == 1
    assert found["hn_block_transactions_sum", ()] == 4
    assert found["hn_consensus_view_changes_total", ()] == 1
    assert found["hn_peer_violations_total", (("peer", "node2"),)] == 1


def test_two_nodes_in_one_process_count_apart() -> None:
    first, second = Metrics(), Metrics()
    first.observe_view_change()
    assert samples(second)["hn_consensus_view_changes_total", ()] == 0
