"""What comes from the links: each message to its room, its signatures checked first."""

from collections.abc import Callable
from typing import Final, Protocol

from chainnode.announcements import Announcements
from chainnode.batches import BatchStore, Declined
from chainnode.bodies import Bodies
from chainnode.budget import Budget
from chainnode.catchup import CatchUpClient, chain_piece
from chainnode.evidence_book import EvidenceBook
from chainnode.membership import Membership
from chainnode.peer_messages import (
    BatchBytes,
    BatchesHeld,
    BatchesUnknown,
    BatchRequest,
    BlockRangeReply,
    BlockRangeRequest,
    EvidenceFound,
    EvidenceHeld,
    EvidenceWanted,
    Head,
    Hello,
    Ping,
    Pong,
    Refused,
)
from chainnode.wire import Message
from consensus.events import Received
from consensus.messages import (
    BlockReply,
    BlockRequest,
    CertificateMessage,
    NewView,
    Proposal,
    Status,
    ViewChange,
    Vote,
)
from consensus.messages import Message as ConsensusMessage
from consensus.verification import check_message, epoch_of, vote_fault
from ledger.chain import Chain
from primitives.certificate import Verify
from primitives.codec import Malformed
from primitives.handover import decode_handover
from primitives.hashing import Digest
from primitives.validators import NodeId

SERVED_BURST: Final = 40.0  # in units of one piece of the chain, which costs this node some ms to read
SERVED_PER_SECOND: Final = 20.0  # an honest node that catches up asks for fewer; more is dropped, not blamed
UNASKED_COST: Final = 10  # of a budget of 1,000: the answer to one request of 64 is forgiven, a flood is not
BLOCKS_SHARE: Final = 0.25  # what a request for blocks by hash costs: up to 32 without bodies


class Intake(Protocol):
    """Where batches go that peers bring."""

    def receive(self, sender: NodeId, raw: bytes) -> object: ...


class Links(Protocol):
    """What answering needs of the mesh."""

    def send(self, node: NodeId, message: Message) -> bool: ...

    def charge(self, node: NodeId, cost: int, reason: str) -> bool: ...


class Inbound:
    """Called by the mesh for every decoded message; quick, and raises Malformed when the sender lied."""

    def __init__(
        self, membership: Membership, verify: Verify, intake: Intake, store: BatchStore,
        bodies: Bodies, chain: Chain, catchup: CatchUpClient, announcements: Announcements,
        evidence: EvidenceBook, links: Links, *,
        decided: Callable[[], int], post: Callable[[Received], None], hear_vote: Callable[[NodeId, Vote], None],
        clock_ms: Callable[[], int],
    ) -> None:  # fmt: skip
        """hear_vote: its signature is not verified yet."""
        self._membership: Final = membership
        self._verify: Final = verify
        self._intake: Final = intake
        self._store: Final = store
        self._bodies: Final = bodies
        self._chain: Final = chain
        self._catchup: Final = catchup
        self._announcements: Final = announcements
        self._evidence: Final = evidence
        self._links: Final = links
        self._decided: Final = decided
        self._post: Final = post
        self._hear_vote: Final = hear_vote
        self._clock_ms: Final = clock_ms
        self._served: Final[dict[NodeId, Budget]] = {}
        self.heights: Final[dict[NodeId, int]] = {}  # last decided height that each peer reported; nobody relies on it

    def receive(self, sender: NodeId, message: Message) -> None:
        """One message. Raises: Malformed for a forged or contradictory one; the mesh then bans the sender."""
        match message:
            case BatchBytes():
                self._take_batch(sender, message.raw)
            case BatchRequest():
                self._serve_batches(sender, message)
            case BatchesUnknown():
                self._store.unknown(sender, (Digest(d) for d in message.digests), self._clock_ms())
            case BatchesHeld():
                digests = [d for d in map(Digest, message.digests) if not self._executed(d)]
                self._announcements.hear(sender, digests, self._clock_ms())
            case BlockRangeRequest():
                if self._may_ask(sender, 1.0):
                    self._links.send(sender, chain_piece(self._chain, self._bodies, message.first, message.count))
            case BlockRangeReply():
                self._catchup.receive(sender, message, self._clock_ms())
            case EvidenceFound() | EvidenceHeld() | EvidenceWanted():
                self._evidence.receive(sender, message, self._clock_ms())
            case Vote(height=height) if height <= self._decided():
                pass  # late votes of a decided height are not worth their check
            case (
                Proposal() | Vote() | ViewChange() | NewView() | Status() | CertificateMessage() | BlockRequest()
                | BlockReply()
            ):
                self._step(sender, message)
            case Head() | Hello() | Refused() | Ping() | Pong():
                pass  # heights are learned from STATUS and from certificates; the rest is the link's own

    def _step(self, sender: NodeId, message: ConsensusMessage) -> None:
        if isinstance(message, BlockRequest) and not self._may_ask(sender, BLOCKS_SHARE):
            return
        context, epoch = self._membership.place.context, epoch_of(message)
        if epoch is not None and epoch != context.epoch:
            self._other_epoch(sender, message, epoch)
            return
        if isinstance(message, Vote):
            fault = vote_fault(message, sender, context)
        else:
            fault = check_message(message, sender, context, self._verify)
        if fault is not None:
            raise Malformed(fault)
        if isinstance(message, Status):
            self.heights[sender] = message.decided
        if isinstance(message, Vote):
            self._hear_vote(sender, message)
        else:
            self._post(Received(sender, message))

    def _other_epoch(self, sender: NodeId, message: ConsensusMessage, epoch: int) -> None:
        """Who still stands in an epoch that is closed gets the certificate of its close block; the rest is void (C8,
        S11, pitfalls 4, 32). Who is ahead of us answers our own STATUS in the same way, so its messages can wait."""
        if isinstance(message, Status) and epoch < self._membership.place.context.epoch:
            raw = self._chain.handover(epoch)
            if raw is not None and self._may_ask(sender, BLOCKS_SHARE):
                self._links.send(sender, CertificateMessage(decode_handover(raw).certificate))

    def _take_batch(self, sender: NodeId, raw: bytes) -> None:
        """A batch of another origin that nobody asked for costs a little and is no lie: this node may have asked before
        its restart, and who has no seat here may have one in an epoch that this node has not reached."""
        if self._intake.receive(sender, raw) is Declined.UNASKED:
            self._links.charge(sender, UNASKED_COST, "a batch of another origin that nobody asked for")

    def _executed(self, digest: Digest) -> bool:
        """A peer that is behind names what the ledger has: fetched again, it would be proposed again, for nothing."""
        return digest in self._store.namings or self._chain.holds_batch(digest)

    def _may_ask(self, sender: NodeId, cost: float) -> bool:
        now = self._clock_ms() / 1000
        budget = self._served.setdefault(sender, Budget(SERVED_BURST, SERVED_PER_SECOND, now))
        return budget.spend(cost, now) == 0

    def _serve_batches(self, sender: NodeId, request: BatchRequest) -> None:
        unknown = []
        for digest in request.digests:
            raw = self._bodies.raw(Digest(digest))
            if raw is None:
                unknown.append(digest)
            else:
                self._links.send(sender, BatchBytes(raw))
        if unknown:
            self._links.send(sender, BatchesUnknown(tuple(unknown)))
