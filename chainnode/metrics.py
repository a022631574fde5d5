"""What a node counts, for Prometheus: names begin with hn_, units are in the names."""

from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from chainnode.backend import NodeBackend
from chainnode.calls import Answer, Call
from chainnode.chain_answers import present_members

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_SIZES: Final = (0, 1, 4, 16, 64, 256, 1024, 4096, 16384)


class _NodeState:
    """Gauges that are read from the node when somebody asks, and cost nothing before."""

    def __init__(self, backend: NodeBackend) -> None:
        self._backend = backend

    def collect(self) -> Iterable[Metric]:
        """See prometheus_client.registry.Collector."""
        status, chain = self._backend.status(), self._backend.chain
        waiting = len(self._backend.commits.waiting)
        connected = sum(1 for peer in status.peers if peer.connected)
        for name, text, value in (
            ("hn_consensus_height", "Height of the newest block in the ledger", chain.head.height),
            ("hn_consensus_decided_height", "Height of the last decided block", status.decided_height),
            ("hn_consensus_epoch", "Epoch of the validator set", status.epoch),
            ("hn_consensus_view", "View of the consensus", status.view),
            ("hn_consensus_validators", "Members of the validator set", present_members(self._backend).size),
            ("hn_mempool_transactions", "Transactions in the pool", status.pool_transactions),
            ("hn_mempool_bytes", "Bytes in the pool", status.pool_bytes),
            ("hn_peers_connected", "Validators with an open link", connected),
            ("hn_ready", "1 if the node takes transactions", int(status.ready)),
            ("hn_uptime_seconds", "Time since the start", status.uptime_ms // 1000),
            ("hn_http_waiting_transactions", "Transactions that a request waits for", waiting),
        ):
            yield GaugeMetricFamily(name, text, value=value)
        peers = GaugeMetricFamily("hn_peer_height", "Last decided height that a peer reported", labels=["peer"])
        for peer in status.peers:
            peers.add_metric([peer.name], peer.height)
        yield peers


class Metrics:
    """One per node. The node calls observe_*; the listener serves `text`. No metric has an unbounded label."""

    def __init__(self) -> None:
        self.registry: Final = CollectorRegistry()
        self.http_requests: Final = Counter(
            "hn_http_requests", "Answered requests", ["route", "status"], registry=self.registry
        )
        self.http_seconds: Final = Histogram(
            "hn_http_request_seconds", "Time from the headers to the answer", ["route"], buckets=_SECONDS,
            registry=self.registry,
        )  # fmt: skip
        self.http_connections: Final = Gauge(
            "hn_http_connections", "Open connections", ["listener"], registry=self.registry
        )
        self.http_refused: Final = Counter(
            "hn_http_refused", "Connections or requests refused by a limit", ["limit"], registry=self.registry
        )
        self.event_readers: Final = Gauge("hn_event_readers", "Open event streams", registry=self.registry)
        self._blocks = Counter("hn_blocks", "Blocks written to the ledger", registry=self.registry)
        self._transactions = Counter(
            "hn_transactions", "Executed transactions", ["status"], registry=self.registry
        )  # committed, rejected, skipped
        self._block_transactions = Histogram(
            "hn_block_transactions", "Transactions in a block", buckets=_SIZES, registry=self.registry
        )
        self._execute_seconds = Histogram(
            "hn_block_execute_seconds", "Time to execute a block", buckets=_SECONDS, registry=self.registry
        )
        self._write_seconds = Histogram(
            "hn_block_write_seconds", "Time of the synced ledger write of a block", buckets=_SECONDS,
            registry=self.registry,
        )  # fmt: skip
        self._view_changes = Counter(
            "hn_consensus_view_changes", "Views entered above the first", registry=self.registry
        )
        self._evidence = Counter(
            "hn_evidence", "Offences proven against a validator", ["accused"], registry=self.registry
        )
        self._checks = Counter("hn_invariant_checks", "Passes over the invariants", registry=self.registry)
        self._violations = Counter("hn_peer_violations", "Messages that broke a rule", ["peer"], registry=self.registry)

    def watch(self, backend: NodeBackend) -> None:
        """Add the gauges that are read from the node; call once."""
        self.registry.register(_NodeState(backend))

    def observe_block(
        self, committed: int, rejected: int, skipped: int, execute_s: float, write_s: float
    ) -> None:
        """A block is in the ledger."""
        self._blocks.inc()
        for status, count in (("committed", committed), ("rejected", rejected), ("skipped", skipped)):
            if count:
                self._transactions.labels(status).inc(count)
        self._block_transactions.observe(committed + rejected + skipped)
        self._execute_seconds.observe(execute_s)
        self._write_seconds.observe(write_s)

    def observe_view_change(self) -> None:
        """A view above the epoch's first was entered."""
        self._view_changes.inc()

    def observe_violation(self, peer: str) -> None:
        """`peer` is a validator's name from genesis."""
        self._violations.labels(peer).inc()

    def observe_check(self) -> None:
        """The invariants were recomputed, on a network that is set to do so."""
        self._checks.inc()

    def observe_evidence(self, accused: str) -> None:
        """`accused` is the name of a member of some epoch."""
        self._evidence.labels(accused).inc()

    def text(self) -> bytes:
        """The exposition format."""
        return generate_latest(self.registry)


async def scraped(backend: NodeBackend, call: Call) -> Answer:
    """Marks the route that the listener answers from its own Metrics."""
    raise AssertionError("the listener answers this route itself")
