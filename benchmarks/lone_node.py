"""One node's executor and ledger on a disk, fed with blocks directly: no votes, no sockets, no signatures to check.

What it writes is what a node writes: the same batches, blocks, certificates (of zeros unless it is given the keys of a
quorum), receipts, state and tree.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

from chainnode.executor import Execution, Executor
from chainnode.play_instant import genesis_bytes
from ledger.anchor import HeadAnchor
from ledger.chain import Chain, Entry
from ledger.data_directory import LEDGER_DIRECTORY, SEGMENT_DIRECTORY, initialise
from ledger.disk import DiskDirectory, DiskFile
from ledger.leveldb import MAPPED_MIB, LevelDbStore
from ledger.state_tree import StateTree
from ledger.store import Operation
from primitives import merkle
from primitives.block import Batch, Block, Header, batch_digest, batches_root, header_digest, tx_root
from primitives.certificate import Certificate, Phase, bitmap, certificate_hash, vote_bytes
from primitives.codec import encode
from primitives.genesis import Genesis, chain_id
from primitives.hashing import ZERO_DIGEST
from primitives.keys import SigningKey
from primitives.transaction import Decoded

BATCH_TRANSACTIONS: Final = 64
NO_SIGNATURES: Final = (bytes(64),) * 3


class LazyStore(LevelDbStore):
    """Does not wait for the disk where `hurried`: a ledger that is only built need not survive a power cut."""

    hurried = True

    def write(self, operations: Sequence[Operation], sync: bool = True) -> None:
        """See Store."""
        super().write(operations, sync and not self.hurried)


class _LazyFile(DiskFile):
    """Not synced: see LazyStore."""

    def sync(self) -> None:
        """See JournalFile."""


class _LazyDirectory(DiskDirectory):
    """Opens and makes such files."""

    def create(self, name: str) -> DiskFile:
        """See JournalDirectory."""
        super().create(name).close()
        return self.open(name)

    def open(self, name: str) -> DiskFile:
        """See JournalDirectory."""
        return _LazyFile(os.open(self._path / name, os.O_RDWR | os.O_CLOEXEC))


@dataclass(frozen=True, slots=True)
class Offered:
    """A block before it is executed: what the network would have decided, with bodies."""

    block: Block
    mentions: Sequence[Decoded]
    batches: Mapping[bytes, bytes]


class LoneNode:
    """Its ledger lies in `path`, as `initialise` makes it. Every block comes `step_ms` after the one before."""

    def __init__(
        self, path: Path, genesis: Genesis, step_ms: int = 20, durable: bool = True, keys: Sequence[SigningKey] = (),
        mapped_mib: int = MAPPED_MIB,
    ) -> None:  # fmt: skip
        """Makes the directory. `durable`: as a node writes; else nothing waits for the disk. `keys`: voting keys of the
        first seats, a quorum, where real nodes are to go on with the chain. `mapped_mib`: see LevelDbStore.open."""
        self.genesis: Final = genesis
        self.chain_id: Final = chain_id(genesis)
        initialise(path, genesis, genesis_bytes(genesis))
        store = LazyStore.open(path / LEDGER_DIRECTORY, mapped_mib)
        assert isinstance(store, LazyStore), "a class method makes its own class"
        self.store: Final = store
        self.store.hurried = not durable
        kind = DiskDirectory if durable else _LazyDirectory
        self._anchor: Final = HeadAnchor.open(kind(path), self.chain_id)
        self.chain: Final = Chain.open(self.store, kind(path / SEGMENT_DIRECTORY), self._anchor, self.chain_id)
        self.tree: Final = StateTree(self.store, self.chain.head.state_root)
        self._step_ms: Final = step_ms
        self._keys: Final = tuple(keys)
        self._sequence: Final = count(1)
        self._certificate: Certificate | None = None
        self._executor: Executor | None = None

    @property
    def executor(self) -> Executor:
        """Made when it is asked for first: it stands at the head, so all `fill`s come before."""
        if self._executor is None:
            self._executor = Executor(self.chain, self.tree, self.chain_id)
        return self._executor

    @property
    def now_s(self) -> int:
        """Block time of the next block, unix seconds."""
        return (self._parent().time_ms + self._step_ms) // 1000

    def fill(self, changes: Mapping[bytes, bytes | None]) -> None:
        """A block without transactions that leaves the state so changed: what no rule would do."""
        assert self._executor is None, "the executor stands at the head already"
        block = self._block((), ())
        self.chain.append(Entry(block, self._certified(block), (), (), {}, changes, self.tree.update(changes)))

    def offer(self, mentions: Sequence[Decoded]) -> Offered:
        """The next block with these transactions."""
        batches: dict[bytes, bytes] = {}
        for start in range(0, len(mentions), BATCH_TRANSACTIONS):
            raws = tuple(decoded.raw for decoded in mentions[start : start + BATCH_TRANSACTIONS])
            raw = encode(Batch(0, next(self._sequence), raws))
            batches[batch_digest(raw)] = raw
        return Offered(self._block(tuple(batches), mentions), mentions, batches)

    def execute(self, offered: Offered) -> Execution:
        """See Executor."""
        return self.executor.execute(offered.block, offered.mentions)

    def commit(self, offered: Offered, execution: Execution) -> None:
        """Write it, and let the next block see it."""
        self.executor.commit(execution, self._certified(offered.block), offered.batches)
        self.executor.finish(execution)

    def close(self) -> None:
        """Release the files."""
        self._anchor.close()
        self.chain.segments.close()
        self.store.close()

    def _parent(self) -> Header:
        header = self.chain.header(self.chain.head.height)
        assert header is not None, "the head has a header"
        return header

    def _certified(self, block: Block) -> bytes:
        """A certificate of the size of a real one; without keys nobody looks at its signatures."""
        header, digest = block.header, header_digest(block.header)
        vote = vote_bytes(self.chain_id, 0, header.valset_hash, Phase.COMMIT, 0, header.height, digest)
        signatures = tuple(key.sign(vote) for key in self._keys) or NO_SIGNATURES
        signers = bitmap(range(len(signatures)))
        self._certificate = Certificate(Phase.COMMIT, 0, 0, header.height, digest, signers, signatures)
        return encode(self._certificate)

    def _block(self, digests: tuple[bytes, ...], mentions: Sequence[Decoded]) -> Block:
        parent, head, embedded = self._parent(), self.chain.head, self._certificate
        covered = None if self._executor is None else self._executor.receipts_root(parent.exec_height, head.height)
        header = Header(
            epoch=0, height=head.height + 1, parent=head.block_hash, batches_root=batches_root(digests),
            tx_root=tx_root([decoded.id for decoded in mentions]), exec_height=head.height, state_root=head.state_root,
            receipts_root=merkle.EMPTY_ROOT if covered is None else covered, cert_height=head.height,
            cert_hash=ZERO_DIGEST if embedded is None else certificate_hash(embedded), valset_hash=parent.valset_hash,
            next_valset_hash=None, time_ms=parent.time_ms + self._step_ms, proposer=0,
        )  # fmt: skip
        return Block(header, digests, embedded)
