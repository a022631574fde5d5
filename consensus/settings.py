"""What a replica is told at its start: who it is, the window, the timers, the block it stands on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from consensus.epochs import EpochContext
from primitives.block import Block
from primitives.certificate import Certificate
from primitives.keys import Signature
from primitives.validators import Height, NodeId

WINDOW_DEFAULT: Final = 8


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds. T is at least progress; round_factor x the p99 of recent rounds raises it up to round_cap (C7).

    flush: how long the roots of the last decided block wait for a batch to travel with, before an empty block carries
    them (C4).
    """

    progress_ms: int = 1_000
    round_factor: int = 8
    round_cap_ms: int = 3_000  # a slow leader must not stretch its own deadline without bound
    progress_cap_ms: int = 30_000
    inclusion_ms: int = 5_000  # T_fair, on-chain
    flush_ms: int = 0
    status_idle_ms: int = 200
    status_stuck_ms: int = 50
    fetch_retry_ms: int = 100
    catch_up_ms: int = 1_000


@dataclass(frozen=True, slots=True)
class ReplicaConfig:
    """window is W of genesis (1 to 32, S12). sign gives the node's deterministic signature over the bytes.

    me: a seat of the context's set, or OBSERVER, or a seat that is no member now: then nothing is signed.
    handover_blocks: the leader changes after every so many heights, 0 never (L6, C11).
    abstains: why this node must not sign in this epoch, for instance because its directory was made by a resync from
    others and the key may have signed before (S9, pitfall 44); None: it may.
    """

    context: EpochContext
    me: NodeId
    sign: Callable[[bytes], Signature]
    window: int = WINDOW_DEFAULT
    timing: Timing = Timing()
    handover_blocks: int = 0
    abstains: str | None = None


@dataclass(frozen=True, slots=True)
class LedgerHead:
    """Where the ledger stands: every block up to here is decided, executed and synced (C15).

    blocks: the last ones in height order, at least the head itself, better 2 W of them (to serve peers and to check
    embedded certificates); genesis is Block(header of height 0, (), None).
    certificate: the newest COMMIT certificate that the ledger knows, best of the head or of a height above it (the one
    that came with the head in Decided); None for genesis.
    changed: the last height whose execution changed something (Executed.changed), 0 if none.
    """

    blocks: tuple[Block, ...]
    certificate: Certificate | None
    changed: Height
