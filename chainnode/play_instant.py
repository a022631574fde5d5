"""The instant engine: one validator in this process, real blocks, headers, certificates and ledger, virtual time.

Only the network is missing: what it stores passes the same audit as the ledger of a node (`replay`). After a
block that left a change of the validators pending it adds the close block at once (C8); it signs for every validator
whose key it knows.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from chainnode.executor import Execution, Executor
from chainnode.play_engine import Outcome
from chainnode.play_identities import single_validator, voting_key_of
from chainnode.play_queries import answer_query
from ledger.anchor import HeadAnchor
from ledger.audit import Audit, Audited, Difference, Executed, Replay
from ledger.chain import Chain
from ledger.genesis_block import genesis_block
from ledger.memory_disk import MemoryDisk
from ledger.state_tree import StateTree
from ledger.store import MemoryStore
from points.invariants import violations
from points.state import encode_value
from points.transition import genesis_state
from points.validators import Register, next_seats, register
from primitives.block import Batch, Block, Header, batch_digest, batches_root, decode_batch, header_digest, tx_root
from primitives.certificate import Certificate, Phase, build_certificate, certificate_hash, vote_bytes
from primitives.codec import Malformed, decode_canonical, decoder, encode
from primitives.codes import Code
from primitives.genesis import Genesis, chain_id, validator_set
from primitives.handover import Handover
from primitives.hashing import ZERO_DIGEST, Digest
from primitives.keys import Signature, SigningKey, verify
from primitives.transaction import VALIDITY_SECONDS_MAX, Decoded, decode_transaction, signature_checks
from primitives.validators import Seats, Validator, ValidatorSet, valset_hash

Plain = Any
BuildGenesis = Callable[[tuple[Any, ...]], Genesis]
_CERTIFICATE: Final = decoder(Certificate)


def open_instant(build: BuildGenesis) -> "InstantEngine":
    """An engine at height 0 of the genesis that `build` makes for its one validator."""
    key, members = single_validator()
    return InstantEngine(build(members), key)


def genesis_bytes(genesis: Genesis) -> dict[bytes, bytes]:
    """The state at height 0 as the ledger stores it."""
    records = genesis_state(genesis)
    return {key: encode_value(record) for key, record in records.items() if record is not None}


class InstantEngine:
    """See play_engine.Engine. Each block advances time by 1 ms, so up to 999 steps share a second."""

    def __init__(self, genesis: Genesis, key: SigningKey) -> None:
        self.genesis: Final = genesis
        self._key: Final = key
        self._chain_id: Final = chain_id(genesis)
        self._sets: Final = [validator_set(genesis)]  # by epoch
        self.chain: Final = _new_chain(genesis, self._chain_id)
        tree = StateTree(self.chain.state().reader, self.chain.head.state_root)
        self._executor: Final = Executor(self.chain, tree, self._chain_id)
        self._certificate: Certificate | None = None  # of the head; genesis has none
        self._parent = self._header(0)
        self._sequence = 0

    @property
    def height(self) -> int:
        """See Engine."""
        return self.chain.head.height

    @property
    def state_root(self) -> bytes:
        """See Engine."""
        return self.chain.head.state_root

    def submit_block(self, transactions: Sequence[bytes]) -> list[Outcome]:
        """See Engine."""
        outcomes: list[Outcome | None] = []
        admitted: dict[Digest, tuple[int, Decoded]] = {}
        for position, raw in enumerate(transactions):
            decoded, refused = self._admit(raw)
            if decoded is not None and decoded.id in admitted:
                decoded, refused = None, Outcome(Code.DUPLICATE_TX, "the same transaction stands earlier in this block")
            if decoded is not None:
                admitted[decoded.id] = (position, decoded)
            outcomes.append(refused)
        if admitted:
            mentions = [decoded for _, decoded in admitted.values()]
            execution = self._commit(mentions, self._parent.time_ms + 1)
            for (position, _), receipt in zip(admitted.values(), execution.receipts, strict=True):
                assert receipt is not None, "an admitted transaction was not executed before"
                outcomes[position] = Outcome(Code(receipt.code), receipt.detail, receipt)
        return [outcome for outcome in outcomes if outcome is not None]

    def set_time(self, seconds: int) -> None:
        """See Engine."""
        if seconds * 1000 <= self._parent.time_ms:
            raise ValueError(f"time {seconds} is not later than the last block's {self._parent.time_ms} ms")
        self._commit([], seconds * 1000)

    def query(self, name: str, of: str | None) -> Plain:
        """See Engine."""
        return answer_query(self._executor.cache, self._parent.time_ms // 1000, name, of)

    def violations(self) -> list[str]:
        """See Engine."""
        return violations(self._executor.cache, self._parent.time_ms // 1000)

    def replay(self) -> Audited | Difference:
        """Audit the whole chain from genesis: every link, certificate, receipt and state root computed again."""
        replica = _new_chain(self.genesis, self._chain_id)
        executor = Executor(replica, StateTree(replica.state().reader, replica.head.state_root), self._chain_id)

        def execute(height: int, header: Header, batches: Sequence[bytes]) -> Executed:
            mentions = [decode_transaction(raw) for batch in batches for raw in decode_batch(batch).transactions]
            block = self.chain.block(height)
            assert block is not None, "the audit asks for stored blocks"
            execution = executor.execute(block, mentions)
            stored = dict(zip(block.batch_digests, batches, strict=True))
            closes = header.next_valset_hash is not None
            executor.commit(execution, None, stored, self.chain.handover(header.epoch) if closes else None)
            executor.finish(execution)
            return Executed(execution.ids, execution.encoded, execution.changes)

        audit = Audit(self.chain, self._certificate_valid, Replay(genesis_bytes(self.genesis), execute))
        return next(step for step in audit.run() if isinstance(step, Audited | Difference))

    def _register(self) -> Register:
        return register(self._executor.cache)

    def _header(self, height: int) -> Header:
        header = self.chain.header(height)
        assert header is not None, f"height {height} is in the ledger"
        return header

    def _admit(self, raw: bytes) -> tuple[Decoded | None, Outcome | None]:
        """What a node's front door says: the transaction, or why it goes into no block."""
        try:
            decoded = decode_transaction(raw)
        except Malformed as error:
            return None, Outcome(Code.DECODE, str(error))
        if decoded.transaction.envelope.chain_id != self._chain_id:
            return None, Outcome(Code.WRONG_CHAIN)
        valid_until, now = decoded.transaction.envelope.valid_until, self._parent.time_ms // 1000
        if valid_until < now:
            return None, Outcome(Code.EXPIRED_TX, f"valid until {valid_until}, block time {now}")
        if valid_until > now + VALIDITY_SECONDS_MAX:
            return None, Outcome(Code.TTL_TOO_LONG, f"valid until {valid_until}, limit {now + VALIDITY_SECONDS_MAX}")
        if not all(verify(*check) for check in signature_checks(decoded)):
            return None, Outcome(Code.BAD_SIGNATURE)
        if decoded.id in self._executor.seen:
            return None, Outcome(Code.DUPLICATE_TX, "the transaction was executed already")
        return decoded, None

    def _commit(self, mentions: Sequence[Decoded], time_ms: int) -> Execution:
        batches = self._packed(mentions)
        execution = self._append(self._build(mentions, tuple(batches), time_ms, None), mentions, batches)
        seats = next_seats(self._register())
        if seats is not None:
            self._close(seats)
        return execution

    def _append(
        self, block: Block, mentions: Sequence[Decoded], batches: dict[bytes, bytes], following: Seats | None = None
    ) -> Execution:
        """`following`: the seats that a close block names. Raises: Malformed if the keys at hand are no quorum."""
        execution = self._executor.execute(block, mentions)
        certificate = self._certified(block.header)
        handover = None if following is None else encode(Handover(block.header, certificate, following))
        self._executor.commit(execution, encode(certificate), batches, handover)
        self._executor.finish(execution)
        self._parent, self._certificate = block.header, certificate
        return execution

    def _close(self, seats: Seats) -> None:
        """The close block; the first block of the next epoch counts it as certified and embeds nothing (C9)."""
        self._append(self._build([], (), self._parent.time_ms + 1, valset_hash(seats)), [], {}, seats)
        self._sets.append(ValidatorSet(seats))
        self._certificate = None

    def _packed(self, mentions: Sequence[Decoded]) -> dict[bytes, bytes]:
        """Batches by digest within the limits of genesis, in order."""
        limits = self.genesis.limits
        batches: dict[bytes, bytes] = {}
        chunk: list[bytes] = []
        size = 0
        for decoded in [*mentions, None]:
            full = decoded is None or len(chunk) >= limits.batch_transactions
            if chunk and (full or size + len(decoded.raw if decoded else b"") > limits.batch_bytes - 1024):
                raw = encode(Batch(0, self._sequence, tuple(chunk)))
                batches[batch_digest(raw)] = raw
                self._sequence += 1
                chunk, size = [], 0
            if decoded is not None:
                chunk.append(decoded.raw)
                size += len(decoded.raw) + 5
        return batches

    def _build(
        self, mentions: Sequence[Decoded], digests: tuple[bytes, ...], time_ms: int, next_valset: Digest | None
    ) -> Block:
        parent, head = self._parent, self.chain.head
        certificate = self._certificate
        header = Header(
            epoch=len(self._sets) - 1,
            height=head.height + 1,
            parent=head.block_hash,
            batches_root=batches_root(digests),
            tx_root=tx_root([decoded.id for decoded in mentions]),
            exec_height=head.height,
            state_root=head.state_root,
            receipts_root=self._executor.receipts_root(parent.exec_height, head.height),
            cert_height=head.height,
            cert_hash=ZERO_DIGEST if certificate is None else certificate_hash(certificate),
            valset_hash=self._sets[-1].hash,
            next_valset_hash=next_valset,
            time_ms=time_ms,
            proposer=self._register().leaders[0],
        )
        return Block(header, digests, certificate)

    def _certificate_valid(self, height: int, block_hash: Digest, raw: bytes) -> bool:
        certificate = decode_canonical(_CERTIFICATE, raw)
        return certificate == self._certified(self._header(height)) and certificate.digest == block_hash

    def _certified(self, header: Header) -> Certificate:
        """The commit certificate of the epoch's validators; signatures are deterministic."""
        members, digest = self._sets[header.epoch], header_digest(header)
        vote = vote_bytes(self._chain_id, header.epoch, members.hash, Phase.COMMIT, 0, header.height, digest)
        signatures: dict[int, Signature] = {}
        for node in members.nodes:
            pen = self._pen(members.at(node))
            if pen is not None and len(signatures) < members.quorum:
                signatures[node] = pen.sign(vote)
        if len(signatures) < members.quorum:
            raise Malformed(f"the keys of {len(signatures)} validators are known, a quorum is {members.quorum}")
        return build_certificate(Phase.COMMIT, header.epoch, 0, header.height, digest, signatures, members.quorum)

    def _pen(self, member: Validator) -> SigningKey | None:
        if member.vote_key == self._key.public_key:
            return self._key
        return voting_key_of(member.name, member.vote_key)


def _new_chain(genesis: Genesis, identity: bytes) -> Chain:
    store = MemoryStore()
    changes = genesis_bytes(genesis)
    tree = StateTree(store).update(changes)
    block = genesis_block(genesis, tree.root)
    disk = MemoryDisk()
    anchor = HeadAnchor.create(disk, identity, header_digest(block.header))
    return Chain.create(store, disk, anchor, identity, block, changes, tree)
