"""The chain for those who are behind: whole pieces from one peer at a time, proved by their certificates (L8, T22).

What a peer says about its height is never a target: a piece counts only up to a block whose commit certificate
verifies, and it enters through the same decision as everything else (S5). Transactions of a certified block are not
verified again: the quorum that certified it did.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from chainnode.batches import BatchStore
from chainnode.bodies import Bodies
from chainnode.peer_messages import BlockRangeReply, BlockRangeRequest, DecidedBlock
from consensus.events import CatchUp, Synced
from consensus.proposal_rules import body_fault
from ledger.chain import Chain
from ledger.failures import Pruned
from primitives.block import Block, batch_digest, header_digest
from primitives.certificate import Certificate, Phase
from primitives.codec import Malformed, decode_canonical, decoder, encode
from primitives.hashing import Digest
from primitives.validators import NodeId

PIECE_BLOCKS: Final = 128
PIECE_BYTES_MAX: Final = 900 * 1024  # a frame of this class holds 1 MiB
UNEXECUTED_MAX: Final = 256  # blocks that wait for the executor before another piece is asked for
UNEXECUTED_OCTETS_MAX: Final = 8 * 1024 * 1024  # the same in bytes of their bodies
REPLY_MS: Final = 2_000  # then another peer is asked

_CERTIFICATE: Final = decoder(Certificate)


class Links(Protocol):
    """What catch-up needs of the mesh."""

    def send(self, node: NodeId, message: BlockRangeRequest | BlockRangeReply) -> bool: ...

    def connected(self) -> list[NodeId]: ...


def chain_piece(chain: Chain, bodies: Bodies, first: int, count: int) -> BlockRangeReply:
    """Decided blocks from `first` on with their bodies, as many as fit into one reply; none below the floor."""
    blocks: list[DecidedBlock] = []
    if first < chain.floor:
        return BlockRangeReply(first, (), None)
    budget = PIECE_BYTES_MAX
    for height in range(max(first, 1), min(first + count, chain.head.height + 1)):
        try:
            block = chain.block(height)
        except Pruned:  # at this moment
            return BlockRangeReply(first, (), None)
        assert block is not None, "heights up to the head have a block or raise"
        raw = [held for d in block.batch_digests if (held := bodies.raw(Digest(d))) is not None]
        size = len(encode(block)) + sum(map(len, raw))
        if size > budget and blocks:
            break
        whole = size <= budget and len(raw) == len(block.batch_digests)  # else they are pruned at this moment
        blocks.append(DecidedBlock(block, tuple(raw) if whole else ()))
        budget -= size
        if block.header.next_valset_hash is not None:
            break  # what follows is certified by validators that the asker does not know yet (pitfall 62)
    for last in range(first + len(blocks) - 1, first - 1, -1):
        stored = chain.certificate(last)
        if stored is not None:
            certificate = decode_canonical(_CERTIFICATE, stored)
            return BlockRangeReply(first, tuple(blocks[: last - first + 1]), certificate)
    return BlockRangeReply(first, tuple(blocks), None)


def proven_piece(
    first: int, blocks: Iterable[Block], certificate: Certificate | None, valid: Callable[[Certificate], bool]
) -> tuple[tuple[Block, ...], Certificate] | None:
    """The longest front part of a chain of blocks from height `first` on whose last one has a valid commit certificate
    in the piece itself.

    The parts are linked by parent hashes, and each block is all that its header binds: a certificate vouches for the
    names of its bodies too (C2). Whether the first one follows our own head is the core's check.
    """
    linked: list[Block] = []
    digests: dict[int, Digest] = {}  # height -> block hash
    for height, block in enumerate(blocks, first):
        if _fault(block, height, digests.get(height - 1)) is not None:
            break
        digests[height] = header_digest(block.header)
        linked.append(block)
    offered = [block.certificate for block in linked if block.certificate is not None]
    offered += [certificate] if certificate is not None else []
    for candidate in sorted(offered, key=lambda c: -c.height):
        if candidate.phase is Phase.COMMIT and digests.get(candidate.height) == candidate.digest and valid(candidate):
            return tuple(b for b in linked if b.header.height <= candidate.height), candidate
    return None


def piece_fault(first: int, parent: Digest, blocks: Iterable[Block]) -> str | None:
    """Why nobody honest serves these blocks from height `first` on behind `parent`, whatever certifies them (S5, C2);
    None if somebody may."""
    for height, block in enumerate(blocks, first):
        fault = _fault(block, height, parent)
        if fault is not None:
            return fault
        parent = header_digest(block.header)
    return None


def _fault(block: Block, height: int, parent: Digest | None) -> str | None:
    if block.header.height != height or (parent is not None and block.header.parent != parent):
        return f"S5: catch-up of blocks that are no chain at height {height}"
    return body_fault(block)


class CatchUpClient:
    """Fetches what the core says is missing. One request is open at a time; a late or lying peer is passed over."""

    def __init__(
        self, links: Links, store: BatchStore, valid: Callable[[Certificate], bool], *,
        decided: Callable[[], int], executed: Callable[[], int], on_synced: Callable[[Synced], None],
        on_liar: Callable[[NodeId, str], None], on_bodies: Callable[[], None],
    ) -> None:  # fmt: skip
        """decided, executed: heights. on_bodies: the store may hold more than before. Blocks that were decided by
        another way may wait for just these: then the piece itself is no news to anybody."""
        self._links: Final = links
        self._store: Final = store
        self._valid: Final = valid
        self._decided: Final = decided
        self._executed: Final = executed
        self._on_synced: Final = on_synced
        self._on_liar: Final = on_liar
        self._on_bodies: Final = on_bodies
        self._target = 0  # height of a verified certificate
        self._asked: tuple[NodeId, int] | None = None  # whom, since when
        self._first = 0
        self._turn = 0
        self.octets_max = UNEXECUTED_OCTETS_MAX
        self._waiting: Final[deque[tuple[int, int]]] = deque()  # pieces: last height, bytes of their bodies

    def start(self, request: CatchUp, now_ms: int) -> None:
        """The core holds a certificate beyond its window (L8)."""
        self._target = max(self._target, request.certificate.height)
        self.tick(now_ms)

    def tick(self, now_ms: int) -> None:
        """Ask for the next piece if one is wanted and none is on its way."""
        if self._asked is not None and now_ms - self._asked[1] < REPLY_MS and self._asked[0] in self._links.connected():
            return
        if self._asked is not None:
            self._turn += 1  # late, or gone: the next one (pitfall 57)
        self._asked = None
        if self._decided() >= self._target or self._crowded():
            return
        peers = self._links.connected()
        if not peers:
            return
        peer = peers[self._turn % len(peers)]
        self._first = self._decided() + 1
        if self._links.send(peer, BlockRangeRequest(self._first, PIECE_BLOCKS)):
            self._asked = (peer, now_ms)
        else:
            self._turn += 1

    def _crowded(self) -> bool:
        """Whether what waits for the executor is enough."""
        executed = self._executed()
        while self._waiting and self._waiting[0][0] <= executed:
            self._waiting.popleft()
        if self._decided() - executed >= UNEXECUTED_MAX:
            return True
        return sum(size for _, size in self._waiting) > self.octets_max

    def receive(self, sender: NodeId, reply: BlockRangeReply, now_ms: int) -> None:
        """A piece; one that was not asked for is dropped. An empty or useless one turns to the next peer."""
        if self._asked is None or self._asked[0] != sender or reply.first != self._first:
            return
        self._asked = None
        proven = proven_piece(reply.first, (one.block for one in reply.blocks), reply.certificate, self._valid)
        if proven is None:
            self._turn += 1
            if reply.blocks and self._decided() < self._target:  # else it is late, perhaps of an epoch that is over
                self._on_liar(sender, f"S5: {len(reply.blocks)} blocks from {reply.first} without a valid certificate")
            return
        blocks, certificate = proven
        try:
            executed = self._executed()
            for decided in reply.blocks[: len(blocks)]:
                if decided.block.header.height > executed:  # else nothing would ever let go of the bodies again
                    self._keep_bodies(sender, decided, now_ms)
        except Malformed as error:
            self._turn += 1
            self._on_liar(sender, f"C2: a body of a certified block: {error}")
            return
        finally:
            self._on_bodies()
        rest = (one.block for one in reply.blocks[len(blocks) :])
        fault = piece_fault(certificate.height + 1, Digest(certificate.digest), rest)
        if fault is not None:  # what stands before it counts all the same
            self._turn += 1
            self._on_liar(sender, fault)
        octets = sum(len(raw) for decided in reply.blocks[: len(blocks)] for raw in decided.batches)
        self._waiting.append((certificate.height, octets))
        self._on_synced(Synced(blocks, certificate))

    def _keep_bodies(self, sender: NodeId, decided: DecidedBlock, now_ms: int) -> None:
        """A certified block vouches for its bodies, signatures included. A piece may leave them out: then they are
        asked for by digest. Raises: Malformed for bytes that are not what the block names."""
        digests = [Digest(d) for d in decided.block.batch_digests]
        self._store.name(header_digest(decided.block.header), digests)
        if decided.batches and len(decided.batches) != len(digests):
            raise Malformed(f"{len(decided.batches)} bodies of {len(digests)} batches")
        for digest, raw in zip(digests, decided.batches, strict=False):
            if batch_digest(raw) != digest:
                raise Malformed(f"{len(raw)} bytes are not batch {digest.hex()}")
            self._store.keep_certified(digest, raw, now_ms)
        self._store.want(self._store.missing(digests), [sender, *self._links.connected()], now_ms)
