"""A snapshot becomes a ledger: every record is checked against what the manifest proves before it counts.

Blocks are bound by their hashes up to the proven one, ids by tx_root, receipts by receipts_root, batches by their
digests, and the state by the state root, computed again from all of it. The roots of recent heights are taken from the
headers that name them, and the indexes are made here: nothing that no header binds is believed.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from typing import Final

from ledger.disk import JournalDirectory
from ledger.failures import BadSnapshot, LedgerDamaged
from ledger.genesis_block import genesis_block
from ledger.schema import (
    ABSTAIN_KEY,
    BATCH,
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
    Roots,
    height_key,
    identity_operation,
    pack_head,
    pack_height,
    pack_items,
    pack_place,
    pack_roots,
    unpack_digests,
    unpack_items,
)
from ledger.segments import Segments, pack_spot
from ledger.snapshot_format import BLOCKS_WITH_BODIES, IDS_SECONDS, ItemReader, Kind, Manifest, chunk_hash, height_of
from ledger.snapshot_proof import Proof
from ledger.state_tree import StateTree
from ledger.store import MemoryStore, Operation, Store
from ledger.stored_blocks import block_operation, body_fault
from primitives import merkle
from primitives.block import Block, Header, batch_digest, header_digest, tx_root
from primitives.codec import Malformed, decode_canonical, decoder, encode
from primitives.genesis import Genesis
from primitives.hashing import Digest
from primitives.receipt import Receipt

STATE_PAIRS: Final = 4096  # of the state enter the tree at once

_BLOCK: Final = decoder(Block)
_RECEIPT: Final = decoder(Receipt)


class SnapshotLoader:
    """Fills an empty store and new segments from the chunks of one snapshot, in their order; `finish` makes it a chain.
    Close it after use.

    Raises from every call: BadSnapshot with the chunk's number, and then the store is of no use; FatalError.
    """

    def __init__(
        self, store: Store, files: JournalDirectory, genesis: Genesis, changes: Mapping[bytes, bytes],
        manifest: Manifest, proof: Proof,
    ) -> None:  # fmt: skip
        """`changes`: the whole genesis state; `proof`: what check_manifest made of the manifest."""
        self._store: Final = store
        self._parts: Final[list[tuple[bytes, bytes, bytes]]] = []  # of the chunk: key, what precedes the spot, payload
        self._manifest: Final = manifest
        self._proof: Final = proof
        self._genesis: Final = genesis_block(genesis, StateTree(MemoryStore()).update(changes).root)
        self._reader: Final = ItemReader()
        self._next = 0
        self._stage: Kind | None = None
        self._headers: Final[dict[int, Header]] = {}
        self._ids: Final[dict[int, list[Digest]]] = {}  # of the blocks from the floor on
        self._floor = 0
        self._named: Final[dict[bytes, list[int]]] = {}  # batch digest -> heights that name it, from the floor on
        self._due: list[int] = []  # heights of which a record of this kind is still to come, the next one last
        self._leaves: Final[dict[int, list[bytes]]] = {}
        self._tree: Final = StateTree(store)
        self._pairs: Final[dict[bytes, bytes | None]] = {}
        self._segments: Final = Segments.open(files, store)

    def chunk(self, raw: bytes) -> None:
        """The next chunk; what ends in it is checked and in the store, synced, when this returns."""
        number = self._next
        if number >= len(self._manifest.chunks):
            raise BadSnapshot(f"more than {len(self._manifest.chunks)} chunks")
        if chunk_hash(raw) != self._manifest.chunks[number]:
            raise BadSnapshot(f"hashes to {chunk_hash(raw).hex()}, the manifest says otherwise", number)
        operations: list[Operation] = []
        try:
            for kind, key, value in self._reader.feed(raw):
                self._turn_to(kind, operations)
                operations += self._record(kind, key, value)
            if len(self._pairs) >= STATE_PAIRS:
                operations += self._grow()
        except (BadSnapshot, Malformed, LedgerDamaged) as error:
            raise BadSnapshot(str(error), number) from error
        self._store.write([*operations, *self._stored_parts()])
        self._next += 1

    def finish(self, abstain_epoch: int) -> Head:
        """All chunks are in: check what only the whole shows, and write the head last. The node signs nothing up to
        `abstain_epoch`, which is at least the epoch of the proof: it may have voted there before (S9, pitfall 44)."""
        if self._next != len(self._manifest.chunks):
            raise BadSnapshot(f"{self._next} of {len(self._manifest.chunks)} chunks")
        operations: list[Operation] = []
        self._reader.finish()
        self._turn_to(Kind.STATE, operations)
        operations += self._grow()
        if self._tree.root != self._proof.state_root:
            raise BadSnapshot(f"the state has root {self._tree.root.hex()}, not {self._proof.state_root.hex()}")
        head = Head(self._proof.height, self._proof.parent, self._proof.state_root)
        operations += self._chain_records(head, max(abstain_epoch, self._proof.epoch))
        self._store.write(operations)
        return head

    def close(self) -> None:
        """Let go of the segments, whatever came of it."""
        self._segments.close()

    def _stored_parts(self) -> Iterator[Operation]:
        """The bodies of the chunk go into the segments as if all were of the newest block: they go together."""
        spots = self._segments.append(self._proof.height, [payload for _, _, payload in self._parts])
        for (key, front, _), spot in zip(self._parts, spots, strict=True):
            yield key, front + pack_spot(spot)
        self._parts.clear()
        yield from self._segments.row()

    def _turn_to(self, kind: Kind, operations: list[Operation]) -> None:
        """Kinds come in order; what a kind must hold is checked when the next one begins."""
        while self._stage is None or self._stage < kind:
            if self._due:
                raise BadSnapshot(f"nothing of height {self._due[-1]} among the {self._stage_name()}")
            if self._stage is Kind.BLOCK:
                self._span_complete()
            elif self._stage is Kind.RECEIPTS:
                self._receipts_complete()
            elif self._stage is Kind.BATCH and self._named:
                raise BadSnapshot(f"batch {min(self._named).hex()} is missing")
            self._stage = Kind.BLOCK if self._stage is None else Kind(self._stage + 1)
            if self._stage is Kind.MENTIONS:
                self._due = sorted(self._headers, reverse=True)
            elif self._stage is Kind.RECEIPTS:
                self._due = list(range(self._proof.height, self._floor - 1, -1))

    def _stage_name(self) -> str:
        return "" if self._stage is None else self._stage.name.lower()

    def _record(self, kind: Kind, key: bytes, value: bytes) -> Iterable[Operation]:
        """Dispatch by kind. Raises: BadSnapshot, Malformed."""
        match kind:
            case Kind.BLOCK:
                return self._block(height_of(key), value)
            case Kind.MENTIONS:
                return self._mentions(self._expected(key), value)
            case Kind.RECEIPTS:
                return self._receipts(self._expected(key), value)
            case Kind.BATCH:
                return self._batch(key, value)
            case Kind.STATE:
                return self._pair(key, value)

    def _expected(self, key: bytes) -> int:
        height = height_of(key)
        if not self._due or self._due.pop() != height:
            raise BadSnapshot(f"{self._stage_name()} of height {height} out of turn")
        return height

    def _block(self, height: int, value: bytes) -> Iterator[Operation]:
        block = decode_canonical(_BLOCK, value)
        header = block.header
        parent = self._headers.get(height - 1)
        if height == 1:
            parent = self._genesis.header
        if header.height != height or not 1 <= height <= self._proof.height:
            raise BadSnapshot(f"block {header.height} as block {height} of {self._proof.height}")
        if self._headers and parent is None:
            raise BadSnapshot(f"block {height - 1} is missing")
        if parent is not None and header.parent != header_digest(parent):
            raise BadSnapshot(f"block {height} is not the child of block {height - 1}")
        fault = body_fault(block)
        if fault:
            raise BadSnapshot(f"block {height}: {fault}")
        self._headers[height] = header
        for digest in dict.fromkeys(block.batch_digests):
            self._named.setdefault(digest, []).append(height)
        yield block_operation(block, header_digest(header))
        if block.certificate is not None:
            yield height_key(CERTIFICATE, block.certificate.height), encode(block.certificate)

    def _span_complete(self) -> None:
        """All blocks are there, as many as must be, and the last one is the proven one."""
        height, proof = self._proof.height, self._proof
        top = self._headers.get(height)
        if top is None or header_digest(top) != proof.parent:
            raise BadSnapshot(f"block {height} is not the one that the manifest proves")
        base = height - BLOCKS_WITH_BODIES
        foot = self._genesis.header if base <= 0 else self._headers.get(base)
        if foot is None:
            raise BadSnapshot(f"block {base} is missing")
        self._floor = foot.exec_height + 1
        lowest = min(self._headers)
        reached = self._headers[lowest].time_ms < top.time_ms - 1000 * IDS_SECONDS
        if lowest > self._floor or not (lowest == 1 or reached):
            raise BadSnapshot(f"the blocks begin at {lowest}: the ids of the last {IDS_SECONDS} s are not all here")
        for digest, heights in list(self._named.items()):
            kept = [at for at in heights if at >= self._floor]
            if kept:
                self._named[digest] = kept
            else:
                del self._named[digest]

    def _mentions(self, height: int, value: bytes) -> Iterable[Operation]:
        ids = unpack_digests(value)
        if tx_root(ids) != self._headers[height].tx_root:
            raise BadSnapshot(f"the ids of block {height} do not hash to its tx_root")
        if height >= self._floor:
            self._ids[height] = ids
        self._parts.append((height_key(MENTIONS, height), b"", value))
        return ()

    def _receipts(self, height: int, value: bytes) -> Iterator[Operation]:
        receipts, ids = unpack_items(value), self._ids.pop(height)
        if len(receipts) != len(ids) or pack_items(receipts) != value:
            raise BadSnapshot(f"{len(receipts)} receipts for {len(ids)} mentions in block {height}")
        for index, raw in enumerate(receipts):
            if raw is None:
                continue
            receipt = decode_canonical(_RECEIPT, raw)
            if (receipt.tx, receipt.height, receipt.index) != (ids[index], height, index):
                raise BadSnapshot(f"receipt {index} of block {height} is of another transaction")
            yield TRANSACTION + ids[index], pack_place(height, index)
        self._leaves[height] = [raw for raw in receipts if raw is not None]
        self._parts.append((height_key(RECEIPTS, height), b"", value if receipts else b""))

    def _receipts_complete(self) -> None:
        """Each receipts_root from the floor on is that of the receipts given (C3)."""
        parent = self._header(max(0, self._proof.height - BLOCKS_WITH_BODIES))
        for header in self._naming_headers():
            heights = range(parent.exec_height + 1, header.exec_height + 1)
            if merkle.root([leaf for height in heights for leaf in self._leaves.pop(height)]) != header.receipts_root:
                raise BadSnapshot(f"the receipts do not hash to the receipts_root of block {header.height}")
            parent = header

    def _naming_headers(self) -> Iterator[Header]:
        """From just above the blocks' base up to the one that names the state."""
        base = max(0, self._proof.height - BLOCKS_WITH_BODIES)
        for height in range(base + 1, self._proof.height + 1):
            yield self._headers[height]
        for header in self._manifest.headers:
            yield header
            if header.exec_height == self._proof.height:
                return

    def _header(self, height: int) -> Header:
        return self._genesis.header if height == 0 else self._headers[height]

    def _batch(self, digest: bytes, value: bytes) -> Iterable[Operation]:
        heights = self._named.pop(digest, None)
        if heights is None:
            raise BadSnapshot(f"no block here names batch {digest.hex()}")
        if batch_digest(value) != digest:
            raise BadSnapshot(f"batch {digest.hex()} hashes to {batch_digest(value).hex()}")
        self._parts.append((BATCH + digest, pack_height(heights[-1]), value))
        return ()

    def _pair(self, key: bytes, value: bytes) -> Iterator[Operation]:
        self._pairs[key] = value
        yield STATE + key, value

    def _grow(self) -> list[Operation]:
        operations = self._tree.update(self._pairs).operations
        self._pairs.clear()
        return operations

    def _chain_records(self, head: Head, abstain_epoch: int) -> Iterator[Operation]:
        """What makes the records a chain; the head is the last."""
        yield identity_operation(self._manifest.chain_id)
        yield block_operation(self._genesis, header_digest(self._genesis.header))
        for epoch, handover in enumerate(self._manifest.handovers):
            if handover.header.height <= head.height:
                yield height_key(HANDOVER, epoch), encode(handover)
        for header in self._naming_headers():
            pending = None if header.next_valset_hash is None else Digest(header.next_valset_hash)
            yield height_key(ROOTS, header.exec_height), pack_roots(Roots(Digest(header.state_root), pending))
        if self._floor > 1:
            yield FLOOR_KEY, pack_height(self._floor)
            yield CLEARED_KEY, pack_height(min(self._headers))
        yield ABSTAIN_KEY, pack_height(abstain_epoch)
        yield HEAD_KEY, pack_head(head)


Chunks = Callable[[int], bytes]  # the chunk of that number, its hash not checked yet


def load(
    store: Store, files: JournalDirectory, genesis: Genesis, changes: Mapping[bytes, bytes], manifest: Manifest,
    proof: Proof, chunks: Chunks, abstain_epoch: int = 0,
) -> Head:  # fmt: skip
    """Fill an empty store and new segments with the whole snapshot. Raises: BadSnapshot, FatalError."""
    with closing(SnapshotLoader(store, files, genesis, changes, manifest, proof)) as loader:
        for number in range(len(manifest.chunks)):
            loader.chunk(chunks(number))
        return loader.finish(abstain_epoch)
