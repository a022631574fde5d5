"""A toy application and a chain builder for the ledger's tests: no rule of points, no vote."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from ledger.anchor import HeadAnchor
from ledger.audit import Executed
from ledger.chain import Chain, Entry
from ledger.disk import JournalDirectory
from ledger.genesis_block import genesis_block
from ledger.memory_disk import MemoryDisk
from ledger.state_tree import LOG_ENTRIES_MAX, StateTree
from ledger.store import MemoryStore, Store
from primitives import merkle
from primitives.block import Batch, Block, Header, batch_digest, batches_root, decode_batch, header_digest, tx_root
from primitives.certificate import Certificate, Phase, certificate_hash, vote_bytes
from primitives.codec import encode
from primitives.genesis import Genesis, chain_id
from primitives.handover import Handover
from primitives.hashing import ZERO_DIGEST, Digest
from primitives.keys import PublicKey, Signature
from primitives.receipt import Receipt
from primitives.validators import Seats, Validator, valset_hash


def make_genesis(name: str = "test") -> Genesis:
    """A genesis that only has a name: the ledger reads nothing else of it."""
    members = tuple(Validator(f"v{i}", bytes([i + 1]) * 32, b"der") for i in range(4))
    return Genesis(format=1, name=name, time=1_800_000_000, validators=members, accounts=())


GENESIS = make_genesis()
CHAIN_ID = chain_id(GENESIS)
GENESIS_STATE = {b"a": b"1", b"b": b"2"}


def transaction_id(raw: bytes) -> bytes:
    return hashlib.sha256(raw).digest()


def execute(height: int, header: Header, batches: Sequence[bytes], seen: set[bytes]) -> Executed:
    """A transaction is `key=value` or `key=` (delete); each mention after the first is skipped."""
    ids, receipts, changes = [], [], {}
    for raw_batch in batches:
        for raw in decode_batch(raw_batch).transactions:
            id = transaction_id(raw)
            ids.append(id)
            if id in seen:
                receipts.append(None)
                continue
            seen.add(id)
            key, _, value = raw.partition(b"=")
            changes[key] = value or None
            receipts.append(encode(Receipt(id, height, len(ids) - 1, 0, "", None, None, ())))
    return Executed(ids, receipts, changes)


def certificate_for(height: int, block_hash: bytes, epoch: int = 0) -> Certificate:
    voted = vote_bytes(CHAIN_ID, epoch, bytes(32), Phase.COMMIT, 0, height, block_hash)
    return Certificate(Phase.COMMIT, epoch, 0, height, block_hash, 7, (_toy_signature(voted),) * 3)


def _toy_signature(voted: bytes) -> bytes:
    return hashlib.sha512(voted[-64:]).digest()  # of block hash, epoch, phase, view and height


def toy_verify(key: PublicKey, message: bytes, signature: Signature) -> bool:
    """What certificate_for signs."""
    return signature == _toy_signature(message)


def certificate_valid(height: int, block_hash: Digest, raw: bytes) -> bool:
    return raw == encode(certificate_for(height, block_hash))


@dataclass
class Builder:
    """Makes decided and executed blocks on top of a chain, `lag` heights before their roots are named."""

    chain: Chain
    tree: StateTree
    lag: int = 1
    roots: dict[int, Digest] = field(default_factory=dict)
    receipts: dict[int, list[bytes]] = field(default_factory=dict)
    seen: set[bytes] = field(default_factory=set)
    sequence: int = 0
    epoch: int = 0
    step_ms: int = 1000

    def __post_init__(self) -> None:
        self.roots[self.chain.head.height] = self.chain.head.state_root

    def batch(self, *transactions: bytes) -> bytes:
        self.sequence += 1
        return encode(Batch(0, self.sequence, transactions))

    def entry(
        self, batches: Sequence[bytes], certified: bool = True, given: Sequence[bytes] | None = None,
        seats: Seats | None = None,
    ) -> Entry:  # fmt: skip
        """The next block with these batches; `given`: the raw ones handed to the ledger, by default all. `seats`: it
        closes the epoch, and these follow."""
        parent = self.chain.header(self.chain.head.height)
        assert parent is not None
        height = parent.height + 1
        digests = tuple(batch_digest(raw) for raw in batches)
        exec_height = max(parent.exec_height, height - self.lag)
        covered = [r for h in range(parent.exec_height + 1, exec_height + 1) for r in self.receipts[h]]
        embedded = None if parent.height == 0 else certificate_for(parent.height, header_digest(parent), parent.epoch)
        header = Header(
            epoch=self.epoch, height=height, parent=header_digest(parent), batches_root=batches_root(digests),
            tx_root=tx_root([transaction_id(t) for raw in batches for t in decode_batch(raw).transactions]),
            exec_height=exec_height, state_root=self.roots[exec_height], receipts_root=merkle.root(covered),
            cert_height=parent.height, cert_hash=certificate_hash(embedded) if embedded else ZERO_DIGEST,
            valset_hash=parent.next_valset_hash or parent.valset_hash,
            next_valset_hash=None if seats is None else valset_hash(seats), time_ms=parent.time_ms + self.step_ms,
            proposer=0,
        )
        result = execute(height, header, batches, self.seen)
        self.receipts[height] = [receipt for receipt in result.receipts if receipt]
        tree = self.tree.update(result.changes)
        self.roots[height] = tree.root
        own = certificate_for(height, header_digest(header), self.epoch)
        handover = None if seats is None else encode(Handover(header, own, seats))
        self.epoch += seats is not None
        stored = {batch_digest(raw): raw for raw in (batches if given is None else given)}
        block = Block(header, digests, embedded)
        return Entry(
            block, encode(own) if certified else None, result.transaction_ids, result.receipts, stored, result.changes,
            tree, handover=handover,
        )  # fmt: skip

    def add(self, *transactions: bytes) -> Entry:
        """Append a block with one batch (none for no transactions)."""
        entry = self.entry([self.batch(*transactions)] if transactions else [])
        self.chain.append(entry)
        return entry


    def close(self, seats: Seats) -> None:
        """Append a block that closes the epoch; these members follow."""
        self.chain.append(self.entry([], seats=seats))

    def idle(self, blocks: int) -> None:
        """Append empty blocks."""
        for _ in range(blocks):
            self.add()


def new_chain(
    store: Store | None = None, directory: JournalDirectory | None = None, lag: int = 1,
    log_entries: int = LOG_ENTRIES_MAX,
) -> Builder:  # fmt: skip
    """A builder on a chain at height 0; everything in memory unless given."""
    store = MemoryStore() if store is None else store
    tree = StateTree(store, log_entries=log_entries)
    update = tree.update(GENESIS_STATE)
    block = genesis_block(GENESIS, update.root)
    directory = MemoryDisk() if directory is None else directory
    anchor = HeadAnchor.create(directory, CHAIN_ID, header_digest(block.header))
    return Builder(Chain.create(store, directory, anchor, CHAIN_ID, block, GENESIS_STATE, update), tree, lag)
