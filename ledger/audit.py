"""Re-verify a stored chain: every link, root and certificate, and by replay every state root and receipt.

It believes nothing that the ledger says about itself: with a Replay, everything is recomputed from the batches and the
genesis state; without one, what is stored is checked against the headers, which the certificates vouch for. Rules of
points and the check of signatures are injected.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ledger.chain import Chain
from ledger.failures import LedgerDamaged
from ledger.schema import STATE
from ledger.state_tree import StateTree
from ledger.store import MemoryStore, Reader
from primitives import merkle
from primitives.block import Block, Header, header_digest, tx_root
from primitives.codec import encode
from primitives.hashing import Digest
from primitives.state_proof import key_hash, value_digest

PROGRESS_BLOCKS: Final = 100


@dataclass(frozen=True, slots=True)
class Difference:
    """The first thing that is not as it must be; the blocks below `height` were right."""

    height: int
    what: str
    expected: str
    found: str


@dataclass(frozen=True, slots=True)
class Progress:
    """Blocks up to `height` of `stop` are right."""

    height: int
    stop: int


@dataclass(frozen=True, slots=True)
class Audited:
    """All of start..stop is right. Blocks above `certified` are vouched for by no certificate here yet (-1: none)."""

    start: int
    stop: int
    transactions: int
    certified: int
    state_root: Digest | None  # recomputed after `stop`; None without replay


@dataclass(frozen=True, slots=True)
class Executed:
    """What executing one block gave. Receipts have one place per mention, None for a duplicate."""

    transaction_ids: Sequence[bytes]
    receipts: Sequence[bytes | None]
    changes: Mapping[bytes, bytes | None]


Execute = Callable[[int, Header, Sequence[bytes]], Executed]  # height, header, raw batches in order
CertificateValid = Callable[[int, Digest, bytes], bool]  # height, block hash, canonical bytes; a commit for just these


class _Differs(Exception):
    def __init__(self, height: int, what: str, expected: object, found: object) -> None:
        super().__init__(what)
        self.difference = Difference(height, what, _text(expected), _text(found))


def _text(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def _same(height: int, what: str, expected: object, found: object) -> None:
    if expected != found:
        raise _Differs(height, what, expected, found)


class Replay:
    """Executes every block again, in memory, from the state at height 0 (computed from the genesis, not read here)."""

    def __init__(self, genesis_changes: Mapping[bytes, bytes], execute: Execute) -> None:
        self._execute = execute
        self._nodes = MemoryStore()
        self._tree = StateTree(self._nodes)
        self.roots: dict[int, Digest] = {}  # root after each height; the audit drops what no header can name any more
        self._grow(0, genesis_changes)

    @property
    def root(self) -> Digest:
        """The root after the newest block that was executed."""
        return self._tree.root

    def block(self, height: int, header: Header, batches: Sequence[bytes]) -> Executed:
        """Execute the next block."""
        result = self._execute(height, header, batches)
        self._grow(height, result.changes)
        return result

    def _grow(self, height: int, changes: Mapping[bytes, bytes | None]) -> None:
        self._nodes.write(self._tree.update(changes).operations)
        self.roots[height] = self._tree.root


class Audit:
    """One run over the heights start..stop of a chain; with a Replay it begins at genesis."""

    def __init__(
        self, chain: Chain, certificate_valid: CertificateValid, replay: Replay | None = None, start: int = 0,
        stop: int | None = None,
    ) -> None:
        """`start` below the chain's floor means the floor. Raises ValueError for a range outside the chain, or a replay
        of a chain that does not begin at 0."""
        head = chain.head.height
        start = max(start, chain.floor) if start >= 0 else start
        self._chain, self._certificate_valid, self._replay = chain, certificate_valid, replay
        self._start, self._stop = start, head if stop is None else stop
        if not 0 <= self._start <= self._stop <= head or (replay is not None and start):
            raise ValueError(f"cannot audit {start} to {self._stop}: the chain has 0 to {head}, a replay begins at 0")
        self._waiting: deque[tuple[int, list[bytes]]] = deque()  # receipts that no header has covered yet (C3)
        self._transactions = 0
        self._certified = -1

    def run(self) -> Iterator[Progress | Difference | Audited]:
        """Progress every PROGRESS_BLOCKS blocks, and at last one Difference or Audited. Reads the whole range."""
        height = self._start
        try:
            parent = self._begin()
            for height in range(self._start + 1, self._stop + 1):
                block = self._block(height)
                self._check_links(block, parent)
                self._check_body(block)
                parent = block.header
                if height % PROGRESS_BLOCKS == 0:
                    yield Progress(height, self._stop)
            if self._stop == self._chain.head.height:
                self._check_head(self._stop, None if self._replay is None else self._replay.root)
                for _ in self._chain.segments.walk():  # also what only a batch that was named again refers to no more
                    pass
        except _Differs as error:
            yield error.difference
            return
        except LedgerDamaged as error:
            yield Difference(height, "readable", "the bytes that were stored", str(error))
            return
        root = None if self._replay is None else self._replay.root
        yield Audited(self._start, self._stop, self._transactions, self._certified, root)

    def _begin(self) -> Header:
        header = self._block(self._start).header
        if self._replay is not None:
            _same(0, "state_root of genesis", self._replay.root, header.state_root)
        for height in range(max(header.exec_height + 1, self._chain.floor), self._start + 1):
            self._wait(height, self._chain.receipts(height))
        return header

    def _block(self, height: int) -> Block:
        block = self._chain.block(height)  # checks the digest, batches_root and cert_hash
        if block is None:
            raise _Differs(height, "block", "a block", "nothing")
        return block

    def _check_links(self, block: Block, parent: Header) -> None:
        header = block.header
        height = header.height
        _same(height, "parent", header_digest(parent), header.parent)
        if not parent.exec_height <= header.exec_height < height:
            raise _Differs(height, "exec_height", f"{parent.exec_height} to {height - 1}", header.exec_height)
        if self._replay is not None:
            roots = self._replay.roots
            _same(height, f"state_root after {header.exec_height}", roots[header.exec_height], header.state_root)
            for old in [h for h in roots if h < header.exec_height]:
                del roots[old]
        covered: list[bytes] = []
        while self._waiting and self._waiting[0][0] <= header.exec_height:
            covered += self._waiting.popleft()[1]
        if parent.exec_height + 1 >= self._chain.floor:  # else some of the receipts are pruned
            _same(height, "receipts_root", merkle.root(covered), header.receipts_root)
        self._check_certificates(block)

    def _check_certificates(self, block: Block) -> None:
        height, embedded = block.header.height, block.certificate
        own = self._chain.certificate(height)
        if own is not None:
            self._check_certificate(height, header_digest(block.header), own)
        if embedded is not None and encode(embedded) != self._chain.certificate(embedded.height):
            if embedded.height >= height:
                raise _Differs(height, "height of the embedded certificate", f"below {height}", embedded.height)
            if embedded.height < self._chain.floor:
                return  # cert_hash binds its bytes; the block that it certifies is pruned
            certified = self._block(embedded.height).header
            self._check_certificate(embedded.height, header_digest(certified), encode(embedded))

    def _check_certificate(self, height: int, block_hash: Digest, raw: bytes) -> None:
        _same(height, "certificate is valid", True, self._certificate_valid(height, block_hash, raw))
        self._certified = max(self._certified, height)

    def _check_body(self, block: Block) -> None:
        height = block.header.height
        batches = []
        for digest in block.batch_digests:
            raw = self._chain.batch(digest)
            if raw is None:
                raise _Differs(height, "batch", digest, "nothing")
            batches.append(raw)
        ids, receipts = self._chain.transaction_ids(height), self._chain.receipts(height)
        if self._replay is not None:
            result = self._replay.block(height, block.header, batches)
            _same(height, "transaction ids", list(result.transaction_ids), ids)
            _same(height, "receipts", list(result.receipts), receipts)
        _same(height, "tx_root", tx_root(ids), block.header.tx_root)
        _same(height, "count of receipts", len(ids), len(receipts))
        for index, (id, receipt) in enumerate(zip(ids, receipts, strict=True)):
            place = self._chain.place(id)
            if receipt is not None and (place is None or (place.height, place.index) != (height, index)):
                raise _Differs(height, f"index of transaction {id.hex()}", (height, index), place)
        self._wait(height, receipts)
        self._transactions += len(ids)

    def _wait(self, height: int, receipts: Sequence[bytes | None]) -> None:
        self._waiting.append((height, [receipt for receipt in receipts if receipt is not None]))

    def _check_head(self, height: int, root: Digest | None) -> None:
        """The head's root against the replay, if there is one, and that tree and state are what it says."""
        view, snapshot = self._chain.snapshot()
        try:
            if root is not None:
                _same(height, "state_root of the head record", root, view.head.state_root)
            difference = tree_difference(snapshot, view.head.state_root)
        finally:
            snapshot.close()
        if difference is not None:
            raise _Differs(height, "state and state tree", "the same content", difference)


def tree_difference(reader: Reader, root: Digest) -> str | None:
    """None if the stored state and the stored tree under `root` hold the same; else a sentence. Reads everything."""
    stored = {key_hash(key[1:]): value_digest(value) for key, value in reader.range(STATE, bytes([STATE[0] + 1]))}
    count = 0
    for hashed, digest in StateTree(reader, root).entries():
        count += 1
        if stored.get(Digest(hashed)) != digest:
            return f"the tree's entry {hashed.hex()} is not the stored value"
    return None if count == len(stored) else f"the tree has {count} entries, the state {len(stored)}"
