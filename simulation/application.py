"""A small deterministic application: bodies in batches, execution, roots. It stands where points and the ledger stand.

A transaction is any bytes; executing it means to have seen it: a second mention is skipped (C6). The state root is the
hash chain of the executed transactions, so a lost, doubled or swapped one shows in every later root.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from primitives import merkle
from primitives.block import Block, batch_digest, batches_root, decode_batch, header_digest, tx_root
from primitives.certificate import Certificate
from primitives.codec import Malformed
from primitives.hashing import TAG_STATE_NODE, TAG_TRANSACTION, ZERO_DIGEST, Digest, tagged_hash


@dataclass(frozen=True, slots=True)
class Stored:
    """A decided block as the ledger keeps it, and what its execution gave."""

    block: Block
    digest: Digest
    certificate: Certificate | None  # of this height or of a descendant; None for genesis
    state_root: Digest
    receipts: tuple[Digest, ...]


@dataclass
class Ledger:
    """What survives a power cut: executed blocks and the bodies that were written and synced."""

    blocks: list[Stored]
    bodies: dict[Digest, bytes] = field(default_factory=dict)  # the durable body log (C1)

    @property
    def height(self) -> int:
        """The last executed height."""
        return len(self.blocks) - 1


def transaction_ids(raw_batch: bytes) -> list[Digest]:
    """The ids of a batch's transactions in order."""
    return [tagged_hash(TAG_TRANSACTION, raw) for raw in decode_batch(raw_batch).transactions]


def is_batch(raw: bytes) -> bool:
    """Whether the bytes of a peer are a batch at all; the product looks at every transaction in it too."""
    try:
        return bool(decode_batch(raw))
    except Malformed:
        return False


def genesis_ledger(genesis: Block) -> Ledger:
    """The ledger of a node that has seen nothing."""
    return Ledger([Stored(genesis, header_digest(genesis.header), None, Digest(genesis.header.state_root), ())])


class Application:
    """One node's bodies and execution over its ledger. Everything but the ledger is lost at a crash."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.bodies: dict[Digest, bytes] = dict(ledger.bodies)
        self.unsynced: dict[Digest, bytes] = {}  # written, but not durable before the next sync
        self._seen = {receipt for stored in ledger.blocks for receipt in stored.receipts}
        self._decided = {d for stored in ledger.blocks for d in map(Digest, stored.block.batch_digests)}

    def hold(self, raw: bytes) -> Digest:
        """Keep a batch; returns its digest."""
        digest = batch_digest(raw)
        self.bodies.setdefault(digest, raw)
        return digest

    def missing(self, block: Block) -> list[Digest]:
        """The batches of a block that are not here."""
        return [Digest(d) for d in block.batch_digests if d not in self.bodies]

    def write_bodies(self, digests: Iterable[bytes]) -> None:
        """Append bodies to the body log; durable with the next `synced`."""
        for digest in map(Digest, digests):
            if digest not in self.ledger.bodies and digest in self.bodies:
                self.unsynced[digest] = self.bodies[digest]

    def synced(self) -> None:
        """The disk reported everything written so far as durable."""
        self.ledger.bodies.update(self.unsynced)
        self.unsynced.clear()

    def pending(self) -> list[Digest]:
        """Batches that no executed block holds, in the order of arrival."""
        return [digest for digest in self.bodies if digest not in self._decided]

    def executed_batch(self, digest: Digest) -> bool:
        """Whether an executed block holds the batch."""
        return digest in self._decided

    def roots_after(self, exec_height: int, parent_exec_height: int) -> tuple[Digest, Digest]:
        """(state_root, receipts_root) as a header with this exec_height must name them (C3)."""
        receipts = [r for h in range(parent_exec_height + 1, exec_height + 1) for r in self.ledger.blocks[h].receipts]
        return self.ledger.blocks[exec_height].state_root, merkle.root(receipts)

    def root_of_transactions(self, digests: Sequence[bytes]) -> Digest:
        """tx_root over batches that are all here."""
        return tx_root([i for d in digests for i in transaction_ids(self.bodies[Digest(d)])])

    def root_if_held(self, digests: Sequence[bytes]) -> Digest | None:
        """The same, None if one is missing."""
        return self.root_of_transactions(digests) if all(d in self.bodies for d in digests) else None

    def acceptable(self, block: Block, parent_exec_height: int) -> bool:
        """What PREPARE checks of a block (C6): bodies are here, exec_height is executed."""
        header = block.header
        if header.batches_root != batches_root(block.batch_digests) or header.next_valset_hash is not None:
            return False
        if header.tx_root != self.root_of_transactions(block.batch_digests):
            return False
        if header.next_valset_hash is not None:
            return False  # C8: no change of validators is ever pending here
        roots = self.roots_after(header.exec_height, parent_exec_height)
        return (Digest(header.state_root), Digest(header.receipts_root)) == roots

    def execute(self, block: Block, certificate: Certificate | None) -> Stored:
        """Append the next decided block, atomically and durably; its bodies must be here."""
        before = self.ledger.blocks[-1]
        assert block.header.height == self.ledger.height + 1, "execution skips no height"
        fresh = []
        for digest in block.batch_digests:
            for identity in transaction_ids(self.bodies[Digest(digest)]):
                if identity not in self._seen:
                    self._seen.add(identity)
                    fresh.append(identity)
        root = tagged_hash(TAG_STATE_NODE, before.state_root, *fresh) if fresh else before.state_root
        stored = Stored(block, header_digest(block.header), certificate, root, tuple(fresh))
        self.ledger.blocks.append(stored)
        self._decided.update(map(Digest, block.batch_digests))
        for digest in map(Digest, block.batch_digests):
            self.ledger.bodies[digest] = self.bodies[digest]  # the block's own bodies are part of the ledger
        return stored


GENESIS_STATE_ROOT = ZERO_DIGEST
