"""The chain of decided and executed blocks: each is durable as a whole or not at all; reads check what they load."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ledger.anchor import HeadAnchor
from ledger.disk import JournalDirectory
from ledger.failures import LedgerDamaged, Pruned
from ledger.schema import (
    CERTIFICATE,
    CLEARED_KEY,
    FLOOR_KEY,
    HANDOVER,
    HEAD_KEY,
    MENTIONS,
    RECEIPTS,
    ROOTS,
    STATE,
    TRANSACTION,
    Head,
    Place,
    Roots,
    check_identity,
    height_key,
    identity_operation,
    item_at,
    pack_head,
    pack_height,
    pack_place,
    pack_roots,
    unpack_digests,
    unpack_head,
    unpack_height,
    unpack_items,
    unpack_place,
    unpack_roots,
)
from ledger.segments import Segments
from ledger.state_tree import StateTree, TreeUpdate
from ledger.store import Operation, Reader, Snapshot, Store
from ledger.stored_blocks import (
    block_operation,
    body_operations,
    find_batch,
    load_batch,
    load_block,
    load_mentions,
    load_part,
    newest_blocks,
)
from ledger.tree_layers import Layer, stacked
from primitives.block import Block, Header, batches_root, header_digest
from primitives.codec import encode
from primitives.hashing import Digest

_HEIGHT_AT: Final = 1  # in a key: behind the prefix
ROOTS_KEPT: Final = 128  # headers refer to at most 2 W = 64 heights below the newest


class NotNext(ValueError):
    """The block does not follow the head, or its parts do not belong together; nothing was written."""


@dataclass(frozen=True, slots=True)
class Entry:
    """All that becomes durable with one decided and executed block.

    `certificate`: canonical bytes of a commit certificate for exactly this height, None if only a later one is held.
    `transaction_ids`: every mention in order; `receipts` has the same length, None where a mention was skipped as a
    duplicate (C6). `batches`: raw bytes by digest, at least those that the store does not hold yet.
    `changes`: state key to new value, None deletes; `tree` is what StateTree.update made of the same changes.
    `next_valset`: hash of the set pending in the state after the block, None if no change is (C8).
    `handover`: canonical Handover, with the block that closes its epoch and with no other (S11).
    """

    block: Block
    certificate: bytes | None
    transaction_ids: Sequence[bytes]
    receipts: Sequence[bytes | None]
    batches: Mapping[bytes, bytes]
    changes: Mapping[bytes, bytes | None]
    tree: TreeUpdate
    next_valset: Digest | None = None
    handover: bytes | None = None


class StateView:
    """The state after one block. A View of raw bytes; hold a Snapshot as reader if blocks are appended meanwhile."""

    def __init__(self, reader: Reader, head: Head, layers: Sequence[Layer] = ()) -> None:
        self.reader: Final = reader
        self.head: Final = head
        self._layers: Final = layers

    def tree(self) -> StateTree:
        """The tree of this state, to prove from and not to update. Raises LedgerDamaged."""
        return StateTree(self.reader, self.head.state_root, cache_bytes=0, layers=self._layers)

    def get(self, key: bytes) -> bytes | None:
        """The value of a state key, or None."""
        return self.reader.get(STATE + key)

    def range(self, start: bytes, stop: bytes | None, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """State keys and values with start <= key < stop (None: to the end) in order."""
        end = bytes([STATE[0] + 1]) if stop is None else STATE + stop
        for key, value in self.reader.range(STATE + start, end, reverse):
            yield key[1:], value


class Chain:
    """One ledger. `append` has one owner; the reads may run in other threads, each sees whole blocks only."""

    def __init__(self, store: Store, segments: Segments, anchor: HeadAnchor, chain_id: bytes, head: Head) -> None:
        """Use `create` or `open`."""
        self.store: Final = store
        self.segments: Final = segments
        self._anchor = anchor
        self.chain_id: Final = chain_id
        self.head = head
        self._layers: tuple[Layer, ...] = ()  # of the blocks since the state tree's last flush that were appended here
        floor = store.get(FLOOR_KEY)
        self.floor = 0 if floor is None else unpack_height(floor)  # lowest height whose body is here; only rises

    @classmethod
    def create(
        cls,
        store: Store,
        files: JournalDirectory,
        anchor: HeadAnchor,
        chain_id: bytes,
        genesis: Block,
        changes: Mapping[bytes, bytes],
        tree: TreeUpdate,
    ) -> "Chain":
        """A new chain in an empty store: the genesis block (height 0, its anchor made before) and its state. `files`:
        where the segments will be.

        Raises: NotNext if the store is not empty or the parts do not fit; FatalError.
        """
        if next(store.range(b"", None), None) is not None:
            raise NotNext("a chain can only begin in an empty store")
        head = Head(0, header_digest(genesis.header), tree.root)
        if genesis.header.height != 0 or anchor.block_hash != head.block_hash or anchor.height != 0:
            raise NotNext(f"genesis has height {genesis.header.height}, its anchor height {anchor.height}")
        operations = [identity_operation(chain_id)]
        operations += [(STATE + key, value) for key, value in changes.items()]
        operations += tree.operations
        operations.append(block_operation(genesis, head.block_hash))
        operations.append((height_key(ROOTS, 0), pack_roots(Roots(tree.root, None))))
        operations.append((HEAD_KEY, pack_head(head)))
        store.write(operations)
        return cls(store, Segments.open(files, store), anchor, chain_id, head)

    @classmethod
    def open(cls, store: Store, files: JournalDirectory, anchor: HeadAnchor, chain_id: bytes) -> "Chain":
        """The chain of a store, with the head checked against its block and the anchor; the anchor catches up.

        Raises: DirectoryRefused for another schema or chain; LedgerDamaged if the ledger is behind its anchor, holds
        another block there, its head is not readable, or its segments in `files` are not whole. Open a StateTree on
        `store` and `head.state_root` next.
        """
        check_identity(store, chain_id)
        raw = store.get(HEAD_KEY)
        if raw is None:
            raise LedgerDamaged("the ledger has no head record: it lost its content")
        segments = Segments.open(files, store)
        try:
            chain = cls(store, segments, anchor, chain_id, unpack_head(raw))
            chain._check_anchor()
        except BaseException:
            segments.close()
            raise
        return chain

    def append(self, entry: Entry) -> Head:
        """Store a block: its body in a segment, then everything else in one write of the store, then the anchor, each
        synced before the next (C15).

        When it returns, the block may be acknowledged. After an exception the process must stop: the write may or may
        not be in the store. Raises: NotNext, nothing written; FatalError. Costs 2 to 3 us per transaction beside the
        store's own work.
        """
        header = entry.block.header
        batches = self._check_next(entry)
        height = header.height
        head = Head(height, header_digest(header), entry.tree.root)
        operations: list[Operation] = [
            block_operation(entry.block, head.block_hash),
            *body_operations(self.segments, height, entry.transaction_ids, entry.receipts, batches),
            (height_key(ROOTS, height), pack_roots(Roots(entry.tree.root, entry.next_valset))),
            *([(height_key(ROOTS, height - ROOTS_KEPT), None)] if height >= ROOTS_KEPT else []),
            *([(height_key(HANDOVER, header.epoch), entry.handover)] if entry.handover is not None else []),
            *self._certificates(entry),
            *(
                (TRANSACTION + id, pack_place(height, index))
                for index, id in enumerate(entry.transaction_ids)
                if entry.receipts[index] is not None
            ),
            *((STATE + key, value) for key, value in entry.changes.items()),
            *entry.tree.operations,
            (HEAD_KEY, pack_head(head)),
        ]
        layer = entry.tree.layer
        if layer is not None:
            self._layers = stacked(self._layers, layer)  # before the write: who sees the block also sees its layer
        self.store.write(operations)
        if layer is not None and layer.flushed:
            self._layers = ()
        self._anchor.advance(height, head.block_hash)
        self.head = head
        return head

    def block(self, height: int) -> Block | None:
        """The block, its hash and batch list checked; None above the head. Raises: Pruned, LedgerDamaged.

        Below the floor only genesis and the blocks that closed an epoch are here, and none of their batches.

        A block that is written and waits for its anchor is found already: a snapshot may show its state.
        """
        block = load_block(self.store, height) if height >= 0 else None
        if 0 < height < self.floor and (block is None or block.header.next_valset_hash is None):
            raise Pruned(height, self.floor)
        if block is None and 0 <= height <= self.head.height:
            raise LedgerDamaged(f"block {height} is missing below the head {self.head.height}")
        return block

    def header(self, height: int) -> Header | None:
        """The header, checked and kept as in `block`; None above the head."""
        block = self.block(height)
        return None if block is None else block.header

    def headers(self, start: int, limit: int) -> list[Header]:
        """Up to `limit` headers from height `start` up; fewer at the head."""
        stop = min(start + limit, self.head.height + 1)
        return [header for height in range(max(start, 0), stop) if (header := self.header(height)) is not None]

    def certificate(self, height: int) -> bytes | None:
        """The canonical commit certificate of exactly that height, if one is held."""
        return self.store.get(height_key(CERTIFICATE, height))

    def covering_certificate(self, height: int) -> tuple[int, bytes] | None:
        """(height, bytes) of the lowest held certificate at or above `height`, which proves that block too (C3)."""
        stop = height_key(CERTIFICATE, self.head.height + 1)
        for key, raw in self.store.range(height_key(CERTIFICATE, height), stop):
            return int.from_bytes(key[_HEIGHT_AT:], "big"), raw
        return None

    def roots(self, height: int) -> Roots | None:
        """What a header with that exec_height names; None above the head and 128 heights below it (ROOTS_KEPT)."""
        raw = self.store.get(height_key(ROOTS, height)) if height >= 0 else None
        return None if raw is None else unpack_roots(raw)

    def handover(self, epoch: int) -> bytes | None:
        """The canonical Handover by which `epoch` ended; None while it lasts. Never pruned."""
        return self.store.get(height_key(HANDOVER, epoch))

    def handovers(self) -> Iterator[bytes]:
        """All of them from epoch 0 on: with the genesis they prove the members of the present epoch (S11)."""
        stop = bytes([HANDOVER[0] + 1])
        for epoch, (key, raw) in enumerate(self.store.range(HANDOVER, stop)):
            if key != height_key(HANDOVER, epoch):
                raise LedgerDamaged(f"the handover of epoch {epoch} is missing")
            yield raw

    def raise_floor(self, floor: int) -> None:
        """From now on nothing below `floor` is served here, and it may be deleted. Synced; a lower floor is ignored.

        The caller leaves what the chain still needs, see pruning.lowest_needed.
        """
        if floor > self.floor:
            assert floor <= self.head.height, f"floor {floor} above the head {self.head.height}"
            self.store.write([(FLOOR_KEY, pack_height(floor))])
            self.floor = floor

    def cleared(self) -> int:
        """Below it is nothing but genesis and the blocks that closed an epoch: pruning has been there."""
        raw = self.store.get(CLEARED_KEY)
        return 1 if raw is None else unpack_height(raw)

    def batch(self, digest: bytes) -> bytes | None:
        """The raw batch, hash checked; None if no block from the floor on names it. Raises LedgerDamaged."""
        found = find_batch(self.store, digest)
        raw = None if found is None else load_batch(self.segments, digest, found)
        if found is None or found.height < self.floor:  # asked behind the read, as in _required
            return None
        if raw is None:
            raise LedgerDamaged(f"the segment of batch {digest.hex()} is missing, block {found.height} names it")
        return raw

    def holds_batch(self, digest: bytes) -> bool:
        """Whether `batch` would find it, without reading it."""
        found = find_batch(self.store, digest)
        return found is not None and found.height >= self.floor

    def transaction_ids(self, height: int) -> list[Digest]:
        """All mentions of that block in order; none above the head. The audit checks them against tx_root."""
        return unpack_digests(self._required(MENTIONS, height))

    def receipts(self, height: int) -> list[bytes | None]:
        """One for each mention, None for a skipped one (C6). The audit checks them against receipts_root (C3)."""
        raw = self._required(RECEIPTS, height)
        return unpack_items(raw) if raw else []

    def place(self, transaction_id: bytes) -> Place | None:
        """Height and index of the one receipt of a transaction; None if none at or above the floor has executed it."""
        raw = self.store.get(TRANSACTION + transaction_id)
        place = None if raw is None else unpack_place(raw)
        return None if place is None or place.height < self.floor else place

    def receipt(self, transaction_id: bytes) -> bytes | None:
        """The receipt of a transaction; None as in `place`. Raises LedgerDamaged."""
        place = self.place(transaction_id)
        return None if place is None else item_at(self._required(RECEIPTS, place.height), place.index)

    def recent_blocks(self, seconds: int) -> Iterator[Block]:
        """The blocks whose time is within `seconds` before the head's, newest first, also below the floor: pruning
        leaves 700 s. Raises LedgerDamaged if one is not here."""
        return newest_blocks(self.store, self.head.height, self.cleared(), seconds)

    def recent_ids(self, seconds: int) -> Iterator[tuple[int, list[Digest]]]:
        """(time_ms, ids) of recent_blocks (C6). Raises LedgerDamaged also if ids are not here."""
        for block in self.recent_blocks(seconds):
            height = block.header.height
            ids = load_mentions(self.store, self.segments, height)
            if ids is None:
                raise LedgerDamaged(f"the ids of block {height} are missing below the head {self.head.height}")
            yield block.header.time_ms, ids

    def state(self) -> StateView:
        """The state at the head. For the executor: it reads through to what is appended later."""
        return StateView(self.store, self.head)

    def snapshot(self) -> tuple[StateView, Snapshot]:
        """The state at one head for readers beside the executor, and the snapshot to close after use."""
        while True:
            layers, snapshot = self._layers, self.store.snapshot()
            if layers is self._layers:
                break
            snapshot.close()  # an append in another thread came between the two
        raw = snapshot.get(HEAD_KEY)
        if raw is None:
            raise LedgerDamaged("the head record is gone")
        return StateView(snapshot, unpack_head(raw), layers), snapshot

    def _required(self, prefix: bytes, height: int) -> bytes:
        raw = load_part(self.store, self.segments, prefix, height)
        if 0 < height < self.floor:  # asked behind the read: pruning raises the floor before it deletes
            raise Pruned(height, self.floor)
        if raw is None and 0 < height <= self.head.height:
            raise LedgerDamaged(f"record {prefix.decode()} of block {height} is missing below head {self.head.height}")
        return raw or b""

    def _certificates(self, entry: Entry) -> list[Operation]:
        """Its own certificate, and the embedded one if none was held for that height."""
        operations: list[Operation] = []
        if entry.certificate is not None:
            operations.append((height_key(CERTIFICATE, entry.block.header.height), entry.certificate))
        embedded = entry.block.certificate
        if embedded is not None and self.certificate(embedded.height) is None:
            operations.append((height_key(CERTIFICATE, embedded.height), encode(embedded)))
        return operations

    def _check_next(self, entry: Entry) -> dict[bytes, bytes]:
        """The raw batches of the block. One that an older block named is stored once more: it goes with this one."""
        header = entry.block.header
        if header.height != self.head.height + 1 or header.parent != self.head.block_hash:
            raise NotNext(
                f"block {header.height} with parent {header.parent.hex()} does not follow "
                f"block {self.head.height} with hash {self.head.block_hash.hex()}"
            )
        if (entry.handover is None) != (header.next_valset_hash is None):
            raise NotNext(f"block {header.height} and its handover: a close block has one, no other block has")
        if len(entry.receipts) != len(entry.transaction_ids):
            raise NotNext(f"{len(entry.receipts)} receipts for {len(entry.transaction_ids)} mentions")
        if batches_root(entry.block.batch_digests) != header.batches_root:
            raise NotNext(f"block {header.height}: the batch digests do not hash to its batches_root")
        batches: dict[bytes, bytes] = {}
        for digest in entry.block.batch_digests:
            raw = entry.batches.get(digest) or self.batch(digest)
            if raw is None:
                raise NotNext(f"block {header.height}: batch {digest.hex()} is neither given nor stored")
            batches[digest] = raw
        return batches

    def _check_anchor(self) -> None:
        anchor, head = self._anchor, self.head
        if anchor.height > head.height:
            raise LedgerDamaged(
                f"the ledger came back at height {head.height}, but height {anchor.height} had been acknowledged: "
                "LevelDB lost blocks; restore a backup or fetch the chain from the other validators"
            )
        stored = {height: self.block(height) for height in {anchor.height, head.height}}
        for height, expected in ((anchor.height, anchor.block_hash), (head.height, head.block_hash)):
            block = stored[height]
            found = None if block is None else header_digest(block.header)
            if found != expected:
                raise LedgerDamaged(f"block {height} is {found.hex() if found else None}, expected {expected.hex()}")
        if head.height > anchor.height:  # killed between the batch and the anchor
            anchor.advance(head.height, head.block_hash)
