"""Around one core: bodies, checks, building, execution in order, catch-up; what chainnode does with real parts."""

import random
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from consensus.epochs import EpochContext
from consensus.events import (
    BlockBuilt,
    BlockChecked,
    BuildBlock,
    CatchUp,
    CheckBlock,
    Decided,
    Event,
    Executed,
    Pending,
    Synced,
)
from primitives.block import Block, Header, batches_root, header_digest, new_view_hash
from primitives.certificate import Phase, certificate_hash, verify_certificate
from primitives.hashing import ZERO_DIGEST, Digest
from primitives.keys import PublicKey, Signature
from primitives.validators import Height
from simulation.application import Application, Stored, is_batch
from simulation.parcels import BatchParcel, BatchRequest, ChainReply, ChainRequest, Parcel

BLOCK_BATCHES: Final = 4  # room in one simulated block
CHAIN_BLOCKS_MAX: Final = 64  # blocks in one reply
TIME_TOLERANCE_MS: Final = 5_500  # C14
FORWARD_MS: Final = 200  # a batch of another origin goes to the leader after this (C7)
SPREAD_MS: Final = 1_000  # and to everybody after this: a node alone in a later view may itself lead it (L7)
RESEND_MS: Final = 500  # the model of a lossy link: what is not decided yet is sent again
WALL_MS: Final = 1_700_000_000_000  # wall clock at virtual time 0


class Surroundings(Protocol):
    """What a shell needs of its node."""

    def now_ms(self) -> int:
        """Virtual time."""
        ...

    def wall_ms(self) -> int:
        """This node's wall clock."""
        ...

    def later(self, delay_ms: int, action: Callable[[], None]) -> None:
        """Run it unless the node has crashed meanwhile."""
        ...

    def offer(self, event: Event) -> None:
        """Give the core an event."""
        ...

    def send(self, receiver: int, parcel: Parcel) -> None:
        """Send to one other node."""
        ...

    def leader(self) -> int:
        """Who leads the core's present view."""
        ...

    def executed(self, stored: Stored) -> None:
        """A block was executed (for the checkers)."""
        ...

    def refused(self, block: Block) -> None:
        """A block's content is wrong, whatever the clock says (for the checkers)."""
        ...


class Shell:
    """Lives from one start of its node to the next crash."""

    def __init__(
        self,
        me: int,
        context: EpochContext,
        application: Application,
        around: Surroundings,
        draw: random.Random,
        verify: Callable[[PublicKey, bytes, Signature], bool],
        execution_ms: int,
    ) -> None:
        self._me, self._context, self._around, self._draw = me, context, around, draw
        self.application = application
        self._verify, self._execution_ms = verify, execution_ms
        self._decided: deque[Decided] = deque()
        self._named: set[Digest] = set()  # batches of decided blocks that are not executed yet
        self._executing = False
        self._checks: dict[Digest, CheckBlock] = {}
        self._build: BuildBlock | None = None
        self._wanted: dict[Digest, int] = {}  # missing batch -> when it was last asked for
        self._held_since: dict[Digest, int] = dict.fromkeys(application.pending(), 0)
        self._sent: dict[Digest, dict[int, int]] = {}  # batch -> receiver -> when
        self._own: set[Digest] = set()
        self._told = Pending(0)

    def take_batch(self, raw: bytes, own: bool) -> None:
        """A batch of a client of this node, or of a peer."""
        digest = self.application.hold(raw)
        self._wanted.pop(digest, None)
        if digest not in self._held_since:
            self._held_since[digest] = self._around.now_ms()
        if own:
            self._own.add(digest)
        self.disseminate()
        self._resume()

    def disseminate(self) -> None:
        """Send own batches to all, others' to the leader after a while; then report what is pending (C7)."""
        now, leader, oldest = self._around.now_ms(), self._around.leader(), None
        pending = [d for d in self.application.pending() if d not in self._named]
        for digest in pending:
            sent = self._sent.setdefault(digest, {})
            waited = now - self._held_since[digest]
            receivers = [leader] if waited >= FORWARD_MS else []
            if digest in self._own or waited >= SPREAD_MS:
                receivers = list(range(self._context.members.size))
            for receiver in receivers:
                if receiver != self._me and now - sent.get(receiver, -RESEND_MS) >= RESEND_MS:
                    sent[receiver] = now
                    self._around.send(receiver, BatchParcel(self.application.bodies[digest]))
            if oldest is None and (leader in sent or leader == self._me):
                oldest = digest
        report = Pending(len(pending), oldest)
        if report != self._told:
            self._told = report
            self._around.offer(report)

    def receive(self, sender: int, parcel: Parcel) -> None:
        """Serve or take what is not for the core."""
        match parcel:
            case BatchParcel(raw):
                if is_batch(raw):
                    self.take_batch(raw, own=False)
            case BatchRequest(digests):
                for digest in digests:
                    body = self.application.bodies.get(digest)
                    if body is not None:
                        self._around.send(sender, BatchParcel(body))
            case ChainRequest(above):
                reply = self._chain_above(above)
                if reply is not None:
                    self._around.send(sender, reply)
            case ChainReply():
                self._take_chain(parcel)
            case _:
                raise AssertionError(f"{type(parcel).__name__} belongs to the core")

    def decide(self, decided: Decided) -> None:
        """Queue a decided block for execution; heights come in order."""
        self._decided.append(decided)
        self._named.update(map(Digest, decided.block.batch_digests))
        self._execute_next()

    def check(self, request: CheckBlock) -> None:
        """Answer now, or when bodies and execution are there."""
        self._checks[request.digest] = request
        self._resume()

    def build(self, request: BuildBlock) -> None:
        """Answer now, or when enough is executed; a new request replaces the old one."""
        self._build = request
        self._resume()

    def catch_up(self, request: CatchUp) -> None:
        """Ask one of the others; the core repeats the request as long as it is behind."""
        others = [node for node in range(self._context.members.size) if node != self._me]
        self._around.send(self._draw.choice(others), ChainRequest(request.decided))

    def _resume(self) -> None:
        self._execute_next()
        for digest, request in list(self._checks.items()):
            self._try_check(digest, request)
        if self._build is not None:
            self._try_build(self._build)

    def _try_check(self, digest: Digest, request: CheckBlock) -> None:
        block = request.block
        if block.header.height <= self.application.ledger.height:
            del self._checks[digest]  # decided meanwhile
            return
        if block.header.exec_height > self.application.ledger.height or self._lacks(block):
            return
        del self._checks[digest]
        on_time = abs(block.header.time_ms - self._around.wall_ms()) <= TIME_TOLERANCE_MS
        good = self.application.acceptable(block, request.parent_block.header.exec_height)
        if not good:
            self._around.refused(block)
        acceptable = on_time and good
        if acceptable:
            self.application.write_bodies(block.batch_digests)
        self._around.offer(BlockChecked(digest, acceptable))

    def _lacks(self, block: Block) -> bool:
        """Whether bodies are missing; then the proposer and one other are asked for them."""
        missing = self.application.missing(block)
        now = self._around.now_ms()
        due = tuple(d for d in missing if now - self._wanted.get(d, -100) >= 100)
        if due:
            self._wanted.update(dict.fromkeys(due, now))
            for node in {block.header.proposer, self._draw.randrange(self._context.members.size)} - {self._me}:
                self._around.send(node, BatchRequest(due))
            self._around.later(100, self._resume)
        return bool(missing)

    def _try_build(self, request: BuildBlock) -> None:
        executed = self.application.ledger.height
        if executed < request.exec_height_min:
            return
        self._build = None
        named = {d for block in request.undecided for d in block.batch_digests} | self._named
        chosen = tuple(d for d in self.application.pending() if d not in named)[:BLOCK_BATCHES]
        if not chosen and not request.flush:
            self._around.offer(BlockBuilt(request.view, request.height, None))
            return
        self.application.write_bodies(chosen)
        block = self._block(request, chosen, min(executed, request.exec_height_max))
        self._around.offer(BlockBuilt(request.view, request.height, block))

    def _block(self, request: BuildBlock, chosen: tuple[Digest, ...], exec_height: int) -> Block:
        parent = request.parent_block.header
        state_root, receipts_root = self.application.roots_after(exec_height, parent.exec_height)
        certificate = request.certificate
        header = Header(
            epoch=self._context.epoch,
            height=request.height,
            parent=request.parent,
            batches_root=batches_root(chosen),
            tx_root=self.application.root_of_transactions(chosen),
            exec_height=exec_height,
            state_root=state_root,
            receipts_root=receipts_root,
            cert_height=0 if certificate is None else certificate.height,
            cert_hash=ZERO_DIGEST if certificate is None else certificate_hash(certificate),
            valset_hash=self._context.members.hash,
            next_valset_hash=None,
            time_ms=max(self._around.wall_ms(), parent.time_ms + 1),
            proposer=self._me,
            new_view_hash=None if request.new_view is None else new_view_hash(request.new_view),
        )
        return Block(header, chosen, certificate, request.new_view)

    def _execute_next(self) -> None:
        if self._executing or not self._decided or self._lacks(self._decided[0].block):
            return
        self._executing = True
        self._around.later(self._execution_ms, self._finish_execution)

    def _finish_execution(self) -> None:
        decided = self._decided.popleft()
        self._executing = False
        stored = self.application.execute(decided.block, decided.certificate)
        self._named.difference_update(map(Digest, decided.block.batch_digests))
        self._around.executed(stored)
        full = len(decided.block.batch_digests) >= BLOCK_BATCHES
        _, receipts_root = self.application.roots_after(decided.height, decided.height - 1)
        event = Executed(decided.height, stored.state_root, receipts_root, bool(stored.receipts), full)
        self._around.offer(event)
        self.disseminate()
        self._resume()

    def _chain_above(self, above: int) -> ChainReply | None:
        """The longest piece above a height, not too long, that ends at a block with a certificate of its own."""
        blocks = self.application.ledger.blocks
        for last in range(min(len(blocks) - 1, above + CHAIN_BLOCKS_MAX), above, -1):
            following = [s.block.certificate for s in blocks[last + 1 : last + 1 + CHAIN_BLOCKS_MAX]]
            for certificate in (blocks[last].certificate, *following):
                if certificate is not None and certificate.height == last:
                    return ChainReply(tuple(s.block for s in blocks[above + 1 : last + 1]), certificate)
        return None

    def _take_chain(self, reply: ChainReply) -> None:
        """Give the core a piece of chain after checking all that a liar could have changed."""
        certificate = reply.certificate
        if not reply.blocks or certificate.phase is not Phase.COMMIT or certificate.epoch != self._context.epoch:
            return
        if not verify_certificate(certificate, self._context.chain_id, self._context.members, self._verify):
            return
        expected = Digest(certificate.digest)
        for block in reversed(reply.blocks):
            header, carried = block.header, block.certificate
            if header_digest(header) != expected or batches_root(block.batch_digests) != header.batches_root:
                return
            if header.cert_hash != (ZERO_DIGEST if carried is None else certificate_hash(carried)):
                return
            expected = Digest(header.parent)
        if reply.blocks[-1].header.height == certificate.height:
            self._around.offer(Synced(reply.blocks, certificate))

    @property
    def backlog(self) -> int:
        """Decided blocks that wait for execution."""
        return len(self._decided)

    @property
    def height(self) -> Height:
        """The executed height."""
        return Height(self.application.ledger.height)
