"""Receipt proofs over chains whose headers lag behind and whose certificates are not held for every height (C3)."""

import random

import pytest

from chainnode.proofs import build_receipt_proof, covering_header
from ledger.anchor import HeadAnchor
from ledger.chain import Chain, Entry
from ledger.genesis_block import genesis_block
from ledger.memory_disk import MemoryDisk
from ledger.state_tree import TreeUpdate
from ledger.store import MemoryStore
from primitives.block import (
    Batch,
    Block,
    Header,
    batch_digest,
    batches_root,
    header_digest,
    receipts_root,
    tx_root,
)
from primitives.certificate import Phase, build_certificate, vote_bytes
from primitives.codec import Malformed, encode
from primitives.genesis import FORMAT, Genesis, chain_id, validator_set
from primitives.hashing import ZERO_DIGEST
from primitives.keys import SigningKey
from primitives.kinds import WindowClose
from primitives.proof import encode_proof, verify_receipt_proof
from primitives.receipt import Receipt
from primitives.state_proof import EMPTY_STATE_ROOT
from primitives.transaction import Envelope, decode_transaction, sign_transaction
from primitives.validators import Validator
from tests.points.market import ADDRESS, START, key_of

KEYS = [SigningKey.from_seed(bytes([i + 1]) * 32) for i in range(4)]
MEMBERS = tuple(Validator(f"v{i}", key.public_key, b"der%d" % i) for i, key in enumerate(KEYS))
GENESIS = Genesis(FORMAT, "proofs", START, MEMBERS, ())
CHAIN_ID = chain_id(GENESIS)
SET = validator_set(GENESIS)


class LaggingChain:
    """Blocks of made-up receipts; each header covers executed heights that lag by up to `lag`, as a seed decides."""

    def __init__(self, seed: int, lag: int) -> None:
        self.random = random.Random(seed)
        self.lag = lag
        block = genesis_block(GENESIS, EMPTY_STATE_ROOT)
        anchor = HeadAnchor.create(MemoryDisk(), CHAIN_ID, header_digest(block.header))
        tree = TreeUpdate(EMPTY_STATE_ROOT, [])
        self.chain = Chain.create(MemoryStore(), anchor, CHAIN_ID, block, {}, tree)
        self.parent = block.header
        self.receipts: dict[int, list[Receipt]] = {0: []}
        self.ids: list[tuple[int, bytes]] = []

    def add(self, count: int, certified: bool) -> None:
        height = self.parent.height + 1
        raws = [self._transaction() for _ in range(count)]
        ids = [decode_transaction(raw).id for raw in raws]
        receipts = [Receipt(id, height, i, 0, "", None, None, ()) for i, id in enumerate(ids)]
        packed = [encode(Batch(0, height * 10 + i, (raw,))) for i, raw in enumerate(raws)]
        digests = tuple(batch_digest(raw) for raw in packed)
        lowest = max(self.parent.exec_height, height - self.lag)
        executed = self.random.randint(lowest, height - 1)
        covered = [r for h in range(self.parent.exec_height + 1, executed + 1) for r in self.receipts[h]]
        header = Header(
            0, height, header_digest(self.parent), batches_root(digests), tx_root(ids), executed, EMPTY_STATE_ROOT,
            receipts_root(covered), 0, ZERO_DIGEST, SET.hash, None, self.parent.time_ms + 1, 0,
        )  # fmt: skip
        certificate = self._certificate(header) if certified else None
        self.chain.append(
            Entry(
                Block(header, digests, None), certificate, ids, [encode(receipt) for receipt in receipts],
                dict(zip(digests, packed, strict=True)), {}, TreeUpdate(EMPTY_STATE_ROOT, []),
            )
        )  # fmt: skip
        self.receipts[height] = receipts
        self.ids += [(height, id) for id in ids]
        self.parent = header

    def _transaction(self) -> bytes:
        nonce = self.random.randbytes(16)
        envelope = Envelope(CHAIN_ID, ADDRESS["operator"], nonce, START + 100, WindowClose())
        return sign_transaction(envelope, [key_of("operator")])

    def _certificate(self, header: Header) -> bytes:
        digest = header_digest(header)
        vote = vote_bytes(CHAIN_ID, 0, SET.hash, Phase.COMMIT, 0, header.height, digest)
        signers = self.random.sample(range(4), 3)
        votes = {i: KEYS[i].sign(vote) for i in signers}
        return encode(build_certificate(Phase.COMMIT, 0, 0, header.height, digest, votes, SET.quorum))


@pytest.mark.parametrize("seed", range(12))
def test_every_covered_receipt_proves_itself(seed: int) -> None:
    lag = 1 + seed % 8
    made = LaggingChain(seed, lag)
    for _ in range(24):
        made.add(made.random.choice([0, 1, 3]), certified=made.random.random() < 0.6)
    for _ in range(lag):
        made.add(0, certified=True)
    assert made.parent.exec_height >= 24
    for height, id in made.ids:
        proof = build_receipt_proof(made.chain, id)
        assert proof is not None
        proven = verify_receipt_proof(encode_proof(proof), GENESIS)
        assert (proven.receipt.height, proven.receipt.tx) == (height, id)
        own = made.chain.header(height)
        assert own is not None and (header_digest(own), own.time_ms) == (proven.block_hash, proven.time_ms)
        carrying = covering_header(made.chain, height)
        assert carrying is not None
        before = made.chain.header(carrying.height - 1)
        assert before is not None and before.exec_height < height <= carrying.exec_height, "the earliest one"
        assert proven.certified_height >= carrying.height


def test_no_proof_before_a_certified_header_covers_it() -> None:
    made = LaggingChain(1, 1)
    made.add(1, certified=True)
    ((_, id),) = made.ids
    assert build_receipt_proof(made.chain, id) is None, "no header covers it"
    made.add(0, certified=False)
    assert build_receipt_proof(made.chain, id) is None, "its header is not certified"
    made.add(0, certified=True)
    proof = build_receipt_proof(made.chain, id)
    assert proof is not None and [header.height for header in proof.headers] == [1, 2, 3]
    assert build_receipt_proof(made.chain, bytes(32)) is None


def test_no_changed_byte_passes() -> None:
    made = LaggingChain(3, 2)
    made.add(3, certified=False)
    made.add(2, certified=False)
    for _ in range(2):
        made.add(0, certified=True)
    proof = build_receipt_proof(made.chain, made.ids[1][1])
    assert proof is not None
    raw = encode_proof(proof)
    verify_receipt_proof(raw, GENESIS)
    for position in range(len(raw)):
        changed = raw[:position] + bytes([raw[position] ^ 1]) + raw[position + 1 :]
        with pytest.raises(Malformed):
            verify_receipt_proof(changed, GENESIS)
