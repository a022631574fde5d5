"""All that the HTTP edge asks of a node. The node implements it; the edge never sees consensus, peers or the mempool.

Reads go to `chain` directly (each sees whole blocks only) and to snapshots of the state (record_view.open_state).
Everything here runs on the node's own event loop.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from chainnode.commit_feed import CommitFeed
from chainnode.maintenance import Maintenance
from ledger.chain import Chain
from primitives.codes import Code
from primitives.genesis import Genesis
from primitives.transaction import Decoded

BULKS_DECODED_MAX: Final = 8  # of 256 KiB each; decoded some 3 MiB

PendingState = Literal["pending", "expired", "unknown"]


@dataclass(frozen=True, slots=True)
class Admission:
    """The answer to one submitted transaction before consensus: Code.OK means that it is in the pool (again or still).

    Anything else is a refusal with its sentence; nothing was kept. DUPLICATE_TX: the id is already here, in the pool,
    in a batch or executed; the edge then answers with the first receipt or waits for it. `retry_ms`: when there may be
    room; 0 where waiting does not help.
    """

    code: Code
    detail: str = ""
    retry_ms: int = 0


@dataclass(frozen=True, slots=True)
class PeerStatus:
    """One other validator as this node sees it. `height` is the last decided height that it reported."""

    name: str
    connected: bool
    height: int
    round_trip_ms: int | None = None


NodeRole = Literal["validator", "abstaining", "observer"]  # abstaining: has a seat and signs nothing in this epoch


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """What a node knows about itself at this moment. Times in ms; `leader` is the name of the view's leader."""

    name: str
    version: str
    epoch: int
    view: int
    leader: str
    decided_height: int  # >= the executed height of chain.head
    pool_transactions: int
    pool_bytes: int
    ready: bool  # has a seat, is caught up and in touch with a quorum: it takes transactions
    reason: str  # why it is not ready, or why it signs nothing; "" for a validator that works
    role: NodeRole
    uptime_ms: int
    peers: tuple[PeerStatus, ...]


@dataclass(frozen=True, slots=True)
class ExactBlock:
    """What submit_block did: one admission per transaction, and the height of the block that holds the admitted ones.

    `height` is None if no block was made: nothing was admitted of a list that was not empty, or `fault` says why.
    """

    height: int | None
    admissions: tuple[Admission, ...]
    fault: str = ""


class NodeBackend(Protocol):
    """A running node, or one process with an engine of its own (scenario files, tests)."""

    @property
    def genesis(self) -> Genesis: ...

    @property
    def chain(self) -> Chain:
        """Reads only."""
        ...

    @property
    def commits(self) -> CommitFeed:
        """The node publishes every block here, after its ledger write is synced."""
        ...

    @property
    def decoding(self) -> asyncio.Semaphore:
        """Held while a large bulk of a client exists decoded; BULKS_DECODED_MAX at a time, the others wait as bytes."""
        ...

    @property
    def maintenance(self) -> Maintenance | None:
        """Snapshots and pruning; None where there is no data directory."""
        ...

    def now_ms(self) -> int:
        """Wall clock of the node, unix ms; with genesis.test_clock the one that set_clock set."""
        ...

    def status(self) -> NodeStatus: ...

    async def submit(self, transactions: Sequence[Decoded]) -> list[Admission]:
        """Check (signatures in bulk, off the loop; then admission) and pool them; one answer each, in order.

        Decoded by the edge, once. Never raises for what a client can send. It may wait for the signature thread.
        """
        ...

    def pending_state(self, transaction_id: bytes) -> PendingState:
        """Of an id that has no receipt here: pooled or in an undecided batch; seen, but its valid_until has passed."""
        ...

    def set_clock(self, time_ms: int) -> None:
        """Set the node's clock (C14). The edge calls it only if genesis.test_clock."""
        ...

    async def submit_block(self, transactions: Sequence[Decoded], timeout_ms: int) -> ExactBlock:
        """Decide exactly one block that holds those of these that are admitted, in this order (an empty list: an empty
        block at the present clock), and return once it is committed here. Only if genesis.test_clock."""
        ...

    def drop_peers(self, names: frozenset[str]) -> None:
        """Cut the links to exactly these validators until the next call; the empty set heals. Only if test_clock."""
        ...

    def fail(self, error: Exception) -> None:
        """A read found the ledger damaged or the disk failing: stop now, with the exit code of this error."""
        ...

    def stop(self) -> None:
        """Begin the graceful stop and return at once."""
        ...
