"""Decided blocks become state: the points rules over the ledger's view, one block at a time, in height order.

`apply` runs the rules, `seal` computes the roots, `commit` makes durable, `finish` says that it is. They are apart
because `commit` waits for the disk, may do so in another thread, and the rules of the next block may run beside it.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from chainnode.seen_ids import SeenIds
from chainnode.state_cache import StateCache
from chainnode.unwritten_state import UnwrittenState
from consensus.view_change import decode_new_view, recorded_place
from ledger.chain import Chain, Entry
from ledger.schema import Head
from ledger.state_tree import StateTree, TreeUpdate
from points.keys import REGISTER_KEY
from points.state import encode_value
from points.transition import BlockOutcome, apply_block
from points.validators import EpochNote, Register, next_seats, register
from primitives import merkle
from primitives.block import Block
from primitives.codec import encode
from primitives.hashing import Digest
from primitives.receipt import Receipt
from primitives.transaction import Decoded
from primitives.validators import Seats, valset_hash

HEIGHTS_KEPT: Final = 128  # headers refer to at most 2 W = 64 heights below the newest; the rest is in the ledger


@dataclass(frozen=True, slots=True)
class Execution:
    """What a block did. `receipts` has one element per mention, None where it was skipped as a duplicate (C6).

    `changed`: a later header must carry its roots, because there are receipts or the state is another one (C4).
    """

    block: Block
    ids: tuple[Digest, ...]
    receipts: tuple[Receipt | None, ...]
    encoded: tuple[bytes | None, ...]
    changes: dict[bytes, bytes | None]
    tree: TreeUpdate
    changed: bool
    seats: Seats  # of the validators after the block; another set than before only after a close block (C8)
    next_valset: Digest | None  # hash of the set that a pending change leads to


@dataclass(frozen=True, slots=True)
class Applied:
    """What the rules made of a block; no other block sees it yet."""

    block: Block
    ids: tuple[Digest, ...]
    outcome: BlockOutcome


@dataclass(frozen=True, slots=True)
class _Roots:
    height: int
    state_root: Digest
    next_valset: Digest | None
    leaves: tuple[bytes, ...] | None  # encoded receipts; None: in the ledger


def note_of(block: Block) -> EpochNote:
    """What a block tells the rules about leaders and epochs (C8, C11). Everything in it was checked before its vote."""
    header, recorded = block.header, None
    if block.new_view is not None:
        recorded = recorded_place(decode_new_view(block.new_view))
    return EpochNote(header.next_valset_hash is not None, header.exec_height, header.proposer, recorded)


def _hash_of(seats: Seats | None) -> Digest | None:
    return None if seats is None else valset_hash(seats)


class Executor:
    """One per node. `height` is that of the ledger's head after `commit`. Cache, tree and seen ids stand there, or one
    block further: at the one that is sealed and on its way to the ledger."""

    def __init__(self, chain: Chain, tree: StateTree, chain_id: bytes) -> None:
        self.chain: Final = chain
        self._state: Final = UnwrittenState(chain.state())
        self.cache: Final = StateCache(self._state)
        self.seen: Final = SeenIds.load(chain)
        self.height = self._sealed = chain.head.height
        self._chain_id: Final = chain_id
        self._tree: Final = tree
        tree.warm()
        head = chain.header(self.height)
        assert head is not None, "the head has a header or the ledger is damaged"
        self._time_ms = head.time_ms
        self._roots: Final[deque[_Roots]] = deque(maxlen=HEIGHTS_KEPT)
        self._receipts_roots: Final[dict[tuple[int, int], Digest]] = {}
        self._register: Register = register(self.cache)
        self._next_valset = _hash_of(next_seats(self._register))
        for height in range(max(0, self.height + 1 - HEIGHTS_KEPT), self.height):
            found = chain.roots(height)
            if found is not None:
                self._roots.append(_Roots(height, found.state_root, found.next_valset, None))
            else:
                self._roots.clear()  # without gaps: `_at` counts positions
        self._roots.append(_Roots(self.height, chain.head.state_root, self._next_valset, None))

    @property
    def time_s(self) -> int:
        """Block time of the last sealed block, unix seconds: what the points rules call now."""
        return self._time_ms // 1000

    @property
    def seats_to_come(self) -> Seats:
        """Who sits where with all that is pending; after a close block, the seats of the epoch that it opens."""
        return next_seats(self._register) or self._register.seats

    def execute(self, block: Block, mentions: Sequence[Decoded]) -> Execution:
        """`apply` and `seal` in one, where nothing is on its way to the ledger."""
        return self.seal(self.apply(block, mentions))

    def apply(self, block: Block, mentions: Sequence[Decoded]) -> Applied:
        """Run the rules over the state behind the block before, be it in the ledger or only sealed. Deterministic.

        `mentions` are the transactions of its batches in order, their signatures verified. The block must be the next.
        """
        header = block.header
        assert header.height == self._sealed + 1, f"block {header.height} applied at height {self._sealed}"
        time_s = header.time_ms // 1000
        self.seen.advance(time_s)
        outcome = apply_block(
            self.cache, time_s=time_s, previous_s=self._time_ms // 1000, height=header.height,
            chain_id=self._chain_id, transactions=mentions, seen=self.seen.knows, note=note_of(block),
        )  # fmt: skip
        return Applied(block, tuple(decoded.id for decoded in mentions), outcome)

    def seal(self, applied: Applied) -> Execution:
        """Its roots and bytes; the next block may be applied. The block before must be in the ledger, where the tree
        reads. Call it once per height, in order."""
        header, done = applied.block.header, applied.outcome
        assert header.height == self.height + 1, f"block {header.height} sealed at height {self.height}"
        found = done.changes.get(REGISTER_KEY)
        if isinstance(found, Register):
            self._register = found
            self._next_valset = _hash_of(next_seats(found))
        changes = {key: None if record is None else encode_value(record) for key, record in done.changes.items()}
        tree = self._tree.update(changes)
        encoded = tuple(None if receipt is None else encode(receipt) for receipt in done.receipts)
        leaves = tuple(raw for raw in encoded if raw is not None)
        changed = tree.root != self._roots[-1].state_root or bool(leaves)
        self._state.show(changes)
        self.cache.sealed(done.changes)
        self.seen.add(header.time_ms // 1000, applied.ids)
        self._roots.append(_Roots(header.height, tree.root, self._next_valset, leaves))
        self._time_ms = header.time_ms
        self._sealed = header.height
        return Execution(applied.block, applied.ids, tuple(done.receipts), encoded, changes, tree, changed,
                         self._register.seats, self._next_valset)  # fmt: skip

    def commit(
        self, execution: Execution, certificate: bytes | None, batches: Mapping[bytes, bytes],
        handover: bytes | None = None,
    ) -> Head:  # fmt: skip
        """Make it durable: one synced write, then the anchor. May run in another thread; nothing else may, meanwhile.

        `batches`: raw bytes of the block's batches by digest; `certificate`: for exactly this height, if held;
        `handover`: with a close block, and with no other.
        """
        return self.chain.append(
            Entry(
                execution.block,
                certificate,
                execution.ids,
                execution.encoded,
                batches,
                execution.changes,
                execution.tree,
                execution.next_valset,
                handover,
            )
        )

    def finish(self, execution: Execution) -> None:
        """The block is in the ledger."""
        self._state.written()
        self.height = execution.block.header.height

    def state_root(self, height: int) -> Digest | None:
        """The root after `height`; None if it is not executed yet, or too old to matter in any new header."""
        found = self._at(height)
        return None if found is None else found.state_root

    def next_valset(self, height: int) -> Digest | None:
        """Hash of the set that the changes pending after `height` lead to; None without any, or too old (C8)."""
        found = self._at(height)
        return None if found is None else found.next_valset

    def receipts_root(self, above: int, upto: int) -> Digest:
        """The root that a header with exec_height `upto` carries over its parent's exec_height `above` (C3)."""
        if above >= upto:
            return merkle.EMPTY_ROOT
        root = self._receipts_roots.get((above, upto))
        if root is None:
            if len(self._receipts_roots) >= HEIGHTS_KEPT:
                self._receipts_roots.clear()
            leaves = [leaf for height in range(above + 1, upto + 1) for leaf in self.leaves(height)]
            root = self._receipts_roots[above, upto] = merkle.root(leaves)
        return root

    def leaves(self, height: int) -> tuple[bytes, ...]:
        """The encoded receipts of an executed height in order."""
        found = self._at(height)
        return self._stored_leaves(height) if found is None or found.leaves is None else found.leaves

    def _at(self, height: int) -> _Roots | None:
        position = height - self._roots[0].height
        return self._roots[position] if 0 <= position < len(self._roots) else None

    def _stored_leaves(self, height: int) -> tuple[bytes, ...]:
        return tuple(raw for raw in self.chain.receipts(height) if raw is not None)
