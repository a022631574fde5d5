"""Receipt proofs over chains whose headers lag behind and whose certificates are not held for every height (C3)."""

import random

import pytest
from msgspec.structs import replace

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
from primitives.certificate import Certificate, Phase, build_certificate, vote_bytes
from primitives.codec import Malformed, encode
from primitives.genesis import FORMAT, Genesis, chain_id, validator_set
from primitives.handover import Handover, decode_handover
from primitives.hashing import ZERO_DIGEST
from primitives.keys import SigningKey
from primitives.kinds import WindowClose
from primitives.light_client import TrustedEpochs
from primitives.proof import ProvenReceipt, ReceiptProof, encode_proof, verify_receipt_proof
from primitives.receipt import Receipt
from primitives.state_proof import EMPTY_STATE_ROOT
from primitives.transaction import Envelope, decode_transaction, sign_transaction
from primitives.validators import Seats, Validator, ValidatorSet, valset_hash
from tests.points.market import ADDRESS, START, key_of

KEYS = [SigningKey.from_seed(bytes([i + 1]) * 32) for i in range(8)]
EVERYBODY = tuple(Validator(f"v{i}", key.public_key, b"der%d" % i) for i, key in enumerate(KEYS))
MEMBERS, MEMBERS_LATER = EVERYBODY[:4], EVERYBODY[4:]
KEY_OF = {bytes(member.vote_key): key for member, key in zip(EVERYBODY, KEYS, strict=True)}
GENESIS = Genesis(FORMAT, "proofs", START, MEMBERS, ())
CHAIN_ID = chain_id(GENESIS)
SET = validator_set(GENESIS)


class LaggingChain:
    """Blocks of made-up receipts; each header covers executed heights that lag by up to `lag`, as a seed decides.

    `close` ends an epoch: the next member leaves, a new one takes its seat.
    """

    def __init__(self, seed: int, lag: int) -> None:
        self.random = random.Random(seed)
        self.lag = lag
        block = genesis_block(GENESIS, EMPTY_STATE_ROOT)
        disk = MemoryDisk()
        anchor = HeadAnchor.create(disk, CHAIN_ID, header_digest(block.header))
        tree = TreeUpdate(EMPTY_STATE_ROOT, [])
        self.chain = Chain.create(MemoryStore(), disk, anchor, CHAIN_ID, block, {}, tree)
        self.parent = block.header
        self.receipts: dict[int, list[Receipt]] = {0: []}
        self.ids: list[tuple[int, bytes]] = []
        self.sets, self.start = [SET], 0

    def close(self) -> None:
        """The close block; what it does not cover is covered by a header of the next epoch (C8)."""
        seats = list(self.sets[-1].seats)
        seats[len(self.sets) % 4] = MEMBERS_LATER[len(self.sets) - 1]
        self.add(0, certified=True, seats=tuple(seats))
        self.sets.append(ValidatorSet(tuple(seats)))
        self.start = self.parent.height

    def add(self, count: int, certified: bool, seats: Seats | None = None) -> None:
        height = self.parent.height + 1
        raws = [self._transaction() for _ in range(count)]
        ids = [decode_transaction(raw).id for raw in raws]
        receipts = [Receipt(id, height, i, 0, "", None, None, ()) for i, id in enumerate(ids)]
        packed = [encode(Batch(0, height * 10 + i, (raw,))) for i, raw in enumerate(raws)]
        digests = tuple(batch_digest(raw) for raw in packed)
        lowest = max(self.parent.exec_height, height - self.lag, self.start)  # an epoch begins with its start executed
        executed = self.random.randint(lowest, height - 1)
        covered = [r for h in range(self.parent.exec_height + 1, executed + 1) for r in self.receipts[h]]
        header = Header(
            len(self.sets) - 1, height, header_digest(self.parent), batches_root(digests), tx_root(ids), executed,
            EMPTY_STATE_ROOT, receipts_root(covered), 0, ZERO_DIGEST, self.sets[-1].hash,
            None if seats is None else valset_hash(seats), self.parent.time_ms + 1, 0,
        )  # fmt: skip
        certificate = self._certificate(header) if certified else None
        handover = None
        if seats is not None and certificate is not None:
            handover = encode(Handover(header, certificate, seats))
        self.chain.append(
            Entry(
                Block(header, digests, None), None if certificate is None else encode(certificate), ids,
                [encode(receipt) for receipt in receipts], dict(zip(digests, packed, strict=True)), {},
                TreeUpdate(EMPTY_STATE_ROOT, []), handover=handover,
            )
        )  # fmt: skip
        self.receipts[height] = receipts
        self.ids += [(height, id) for id in ids]
        self.parent = header

    def _transaction(self) -> bytes:
        nonce = self.random.randbytes(16)
        envelope = Envelope(CHAIN_ID, ADDRESS["operator"], nonce, START + 100, WindowClose())
        return sign_transaction(envelope, [key_of("operator")])

    def _certificate(self, header: Header) -> Certificate:
        members, digest = self.sets[-1], header_digest(header)
        vote = vote_bytes(CHAIN_ID, header.epoch, members.hash, Phase.COMMIT, 0, header.height, digest)
        signers = self.random.sample(members.nodes, members.quorum)
        votes = {node: KEY_OF[members.key_of(node)].sign(vote) for node in signers}
        return build_certificate(Phase.COMMIT, header.epoch, 0, header.height, digest, votes, members.quorum)


def _proven(made: LaggingChain, height: int, id: bytes) -> tuple[ReceiptProof, ProvenReceipt]:
    """The proof of a receipt, and what it proves to somebody who has the genesis alone."""
    proof = build_receipt_proof(made.chain, id)
    assert proof is not None
    proven = verify_receipt_proof(encode_proof(proof), GENESIS)
    assert (proven.receipt.height, proven.receipt.tx) == (height, id)
    return proof, proven


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
        _, proven = _proven(made, height, id)
        own = made.chain.header(height)
        assert own is not None and (header_digest(own), own.time_ms) == (proven.block_hash, proven.time_ms)
        carrying = covering_header(made.chain, height)
        assert carrying is not None
        before = made.chain.header(carrying.height - 1)
        assert before is not None and before.exec_height < height <= carrying.exec_height, "the earliest one"
        assert proven.certified_height >= carrying.height


def test_receipts_of_every_epoch_prove_themselves_with_the_genesis_alone() -> None:
    """Those too that were executed before a close block and are covered by the first header of the next epoch."""
    assert sum(_receipts_proven_across_a_close(seed) for seed in range(12)) >= 12


def _receipts_proven_across_a_close(seed: int) -> int:
    lag = 2 + seed % 8
    made = LaggingChain(seed, lag)
    for _ in range(3):
        for _ in range(6):
            made.add(made.random.choice([0, 1, 3]), certified=made.random.random() < 0.6)
        made.close()
    for _ in range(lag + 1):
        made.add(0, certified=True)
    across = 0
    for height, id in made.ids:
        proof, proven = _proven(made, height, id)
        own = made.chain.header(height)
        assert own is not None and proven.epoch - own.epoch in (0, 1)
        across += proven.epoch != own.epoch
        assert len(proof.handovers) == proven.epoch
        if proof.handovers:
            with pytest.raises(Malformed):
                verify_receipt_proof(encode_proof(replace(proof, handovers=proof.handovers[:-1])), GENESIS)
            less = build_receipt_proof(made.chain, id, epoch=proven.epoch)
            assert less is not None and not less.handovers
            trusted = TrustedEpochs(GENESIS)
            for handover in proof.handovers:
                trusted.advance(handover)
            assert verify_receipt_proof(encode_proof(less), GENESIS, trusted).receipt == proven.receipt
    return across


def test_a_reader_with_a_newer_record_refuses_what_old_keys_sign() -> None:
    """Pitfall 65 for receipts: a file that old members made for a block after they left."""
    made, fork = LaggingChain(5, 3), LaggingChain(5, 3)
    for _ in range(4):
        made.add(1, certified=True)
    made.close()
    trusted = TrustedEpochs(GENESIS)
    raw = made.chain.handover(0)
    assert raw is not None
    trusted.advance(decode_handover(raw))
    for _ in range(9):
        fork.add(1, certified=True)
    for _ in range(3):
        fork.add(0, certified=True)
    proof = build_receipt_proof(fork.chain, fork.ids[6][1])
    assert proof is not None and verify_receipt_proof(encode_proof(proof), GENESIS)
    with pytest.raises(Malformed, match="epoch has the blocks 1 to 5"):
        verify_receipt_proof(encode_proof(proof), GENESIS, trusted)


def test_the_first_format_is_refused_with_a_sentence() -> None:
    made = LaggingChain(3, 2)
    made.add(3, certified=True)
    for _ in range(3):
        made.add(0, certified=True)
    proof = build_receipt_proof(made.chain, made.ids[1][1])
    assert proof is not None
    old = encode((1, proof.transaction, proof.receipt, proof.index, proof.count, proof.path, proof.headers[1:],
                  proof.certificate))  # fmt: skip
    with pytest.raises(Malformed, match="proof format 1, this release reads 2: fetch the receipt again"):
        verify_receipt_proof(old, GENESIS)
    with pytest.raises(Malformed, match="proof format 3"):
        verify_receipt_proof(encode_proof(replace(proof, format=3)), GENESIS)


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
    made.add(1, certified=True)
    made.close()
    made.add(3, certified=False)
    made.add(2, certified=False)
    for _ in range(2):
        made.add(0, certified=True)
    proof = build_receipt_proof(made.chain, made.ids[2][1])
    assert proof is not None and len(proof.handovers) == 1
    raw = encode_proof(proof)
    verify_receipt_proof(raw, GENESIS)
    for position in range(len(raw)):
        changed = raw[:position] + bytes([raw[position] ^ 1]) + raw[position + 1 :]
        with pytest.raises(Malformed):
            verify_receipt_proof(changed, GENESIS)


def test_a_receipt_must_stand_in_the_block_that_the_file_begins_with() -> None:
    """Else a true receipt could be given the hash and the time of another block."""
    for seed in range(50):
        made = LaggingChain(seed, 3)
        made.add(0, certified=True)
        made.add(1, certified=True)
        for _ in range(4):
            made.add(0, certified=True)
        if covering_header(made.chain, 1) == covering_header(made.chain, 2):
            break
    else:
        raise AssertionError("no seed has one header that covers both blocks")
    proof = build_receipt_proof(made.chain, made.ids[0][1])
    below = made.chain.header(1)
    assert proof is not None and below is not None
    verify_receipt_proof(encode_proof(proof), GENESIS)
    for headers in ((below, *proof.headers), proof.headers[1:]):
        with pytest.raises(Malformed):
            verify_receipt_proof(encode_proof(replace(proof, headers=headers)), GENESIS)
