"""What goes into the core and what comes out. The field order of Effects is the durability contract (S9, C15).

The driver makes `persist` durable, then sends `send`, then hands `decide` to the executor in height order, then
answers the requests. It never sends a message to its own node: the core counts its own votes itself.
"""

from dataclasses import dataclass, field
from typing import Final

from consensus.evidence import Evidence
from consensus.journal_records import JournalRecord
from consensus.messages import Message
from primitives.block import Block
from primitives.certificate import Certificate
from primitives.hashing import Digest
from primitives.validators import Height, NodeId, View

ALL: Final = NodeId(-1)  # recipient: every other validator


@dataclass(frozen=True, slots=True)
class Received:
    """A message from the link of `sender`; `verification.check_message` returned None for it."""

    sender: NodeId
    message: Message


@dataclass(frozen=True, slots=True)
class Tick:
    """Monotonic time in ms. Give one at least every 25 ms; timers are as coarse as the ticks (pitfall 47)."""

    now_ms: int


@dataclass(frozen=True, slots=True)
class BlockChecked:
    """Answer to CheckBlock. acceptable=True promises that header, digest list and every batch are in the journal, to be
    synced not later than the `persist` of this very step (C1).

    The driver itself blames the proposer of a bad block, since it knows why: a block that comes too late for the clock
    after a pause is nobody's fault (C14).
    """

    digest: Digest
    acceptable: bool


@dataclass(frozen=True, slots=True)
class BlockBuilt:
    """Answer to BuildBlock for (view, height); None: nothing to propose now."""

    view: View
    height: Height
    block: Block | None


@dataclass(frozen=True, slots=True)
class Executed:
    """The decided block at `height` is executed and in the ledger; heights come in order, each once.

    changed: it has receipts or changed the state, so a decided header must still carry its roots (C3, C4).
    full: the block had no room for one more batch, so nobody was passed over (C7 inclusion).
    """

    height: Height
    changed: bool
    full: bool = False


@dataclass(frozen=True, slots=True)
class Pending:
    """Batches that this node holds and that no decided block names; give it at every change.

    batches: their number; above 0 it arms the progress timer (C4) and makes a leader ask for a block.
    oldest: the one that waits longest among those that this node has itself sent to the current leader, or None (C7).
    """

    batches: int
    oldest: Digest | None = None


@dataclass(frozen=True, slots=True)
class Synced:
    """A certified piece of chain from catch-up: blocks in height order, the first not above the next undecided
    height, and a verified COMMIT certificate of the last one. It goes through the one decide function (S5).
    """

    blocks: tuple[Block, ...]
    certificate: Certificate


Event = Received | Tick | BlockChecked | BlockBuilt | Executed | Pending | Synced


@dataclass(frozen=True, slots=True)
class Decided:
    """`block` is final. `certificate` is a COMMIT certificate at this height or above it in the same chain (C3, S5)."""

    height: Height
    block: Block
    certificate: Certificate


@dataclass(frozen=True, slots=True)
class CheckBlock:
    """Is this block acceptable (C6), and are its bodies here? Fetch what is missing; answer when known, or never.

    The core has checked epoch, height, parent, proposer, certificate window, exec_height bounds, validator-set hashes,
    the order of times and batches_root, that a close block is empty and the last. Left: bodies and tx_root, the roots
    after exec_height (wait until executed), |time_ms - wall clock| (C14), sizes, and whether next_valset_hash is what
    the pending changes of validators in the state after exec_height give, None without any (C8).
    """

    view: View
    height: Height
    digest: Digest
    block: Block
    parent_block: Block  # receipts_root covers what was executed after the parent's exec_height (C3)


@dataclass(frozen=True, slots=True)
class BuildBlock:
    """Propose the child of `parent`. Answer with BlockBuilt, the block or None; one request is open at a time.

    undecided: the ancestors above the decided height, lowest first: do not pack their batches again.
    certificate: to embed, with cert_height = its height; None: cert_height is where the epoch starts, cert_hash
    ZERO_DIGEST (C9).
    exec_height: between exec_height_min and exec_height_max, and executed here.
    flush: an empty block is wanted too, it carries the roots of what is decided (C4). Without it an empty one is not.
    new_view: put these bytes into the block and their new_view_hash into its header; None: neither (C11).
    waited_ms: since this replica's last proposal, as coarse as the ticks.
    """

    view: View
    height: Height
    parent: Digest
    parent_block: Block
    undecided: tuple[Block, ...]
    certificate: Certificate | None
    exec_height_min: Height
    exec_height_max: Height
    flush: bool
    new_view: bytes | None = None
    waited_ms: int = 0


@dataclass(frozen=True, slots=True)
class CatchUp:
    """This node is behind `certificate` by more than the repair of single messages can mend: fetch the chain above
    `decided` and give it back as Synced (L8). Repeated once a second while it lasts."""

    decided: Height
    certificate: Certificate


@dataclass(slots=True)
class Effects:
    """What to do now, in the order of the fields."""

    persist: list[JournalRecord] = field(default_factory=list)
    send: list[tuple[NodeId, Message]] = field(default_factory=list)  # recipient or ALL
    decide: list[Decided] = field(default_factory=list)
    check: list[CheckBlock] = field(default_factory=list)
    build: list[BuildBlock] = field(default_factory=list)
    fetch: list[CatchUp] = field(default_factory=list)
    violations: list[tuple[NodeId, str]] = field(default_factory=list)  # sender, sentence that names the rule
    evidence: list[Evidence] = field(default_factory=list)
    forks: list[Certificate] = field(default_factory=list)  # valid COMMIT certificates that contradict what is decided
