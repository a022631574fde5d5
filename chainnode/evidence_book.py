"""What this node can prove about its peers: checked, kept once, told to everybody, offered again (T1).

Whoever learns of an offence sends the proof to all; what is lost on the way is made good by lists of identities, to
each peer after it connects and once a minute. So all honest nodes end with the same offences. No clock, no thread: the
caller says what time it is and calls `write` where ledger writes belong.
"""

from bisect import bisect_right, insort
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from chainnode.budget import Budget
from chainnode.peer_messages import EVIDENCE_LISTED_MAX, EvidenceFound, EvidenceHeld, EvidenceMessage, EvidenceWanted
from consensus.epochs import EpochContext
from consensus.evidence import Evidence, check_evidence, decode_evidence, evidence_id
from ledger.evidence_shelf import EvidenceShelf
from primitives.certificate import Verify
from primitives.codec import Malformed, encode
from primitives.hashing import Digest
from primitives.validators import NodeId

PER_ACCUSED_MAX: Final = 1_000  # offences of one member in one epoch; the first ones count, one is enough to act on
OFFER_MS: Final = 60_000  # a list lost with a link, or dropped by a full queue, comes again
EPOCHS_REMEMBERED: Final = 8
ASKED_MAX: Final = 4_096
PAGE_MS: Final = 200  # between two pages of a list
PEER_BURST: Final = 256.0  # checks, reads and answers that one peer may cause at once
PEER_PER_SECOND: Final = 32.0  # more is dropped without blame: the next list brings it again


class Links(Protocol):
    """What the book needs of the mesh."""

    def send(self, node: NodeId, message: EvidenceMessage) -> bool: ...

    def broadcast(self, message: EvidenceMessage) -> int: ...

    def connected(self) -> list[NodeId]: ...


@dataclass(slots=True)
class _Offer:
    """How far the list for one peer has come; `after` None: all is said until `again_ms`."""

    after: bytes | None
    due_ms: int
    again_ms: int


class EvidenceBook:
    """`context_of` gives the members of an epoch, None if this node has not reached it. `on_new` hears every offence
    once, also after it came from another node."""

    def __init__(
        self, shelf: EvidenceShelf, context_of: Callable[[int], EpochContext | None], verify: Verify, links: Links,
        on_new: Callable[[Evidence], None],
    ) -> None:  # fmt: skip
        self._shelf: Final = shelf
        self._context_of: Final = context_of
        self._verify: Final = verify
        self._links: Final = links
        self._on_new: Final = on_new
        self._ids: Final[list[Digest]] = []  # ascending
        self._counts: Final[Counter[tuple[int, int]]] = Counter()  # by (epoch, seat)
        self._epochs: Final[dict[int, EpochContext]] = {}
        self._offers: Final[dict[NodeId, _Offer]] = {}
        self._budgets: Final[dict[NodeId, Budget]] = {}
        self._asked: set[Digest] = set()  # what comes in answer is free of charge
        self.unwritten: dict[Digest, bytes] = {}
        after = b""
        while page := shelf.page(after, EVIDENCE_LISTED_MAX):
            for identity, raw in page:
                self._count(identity, decode_evidence(raw))
            after = page[-1][0]

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, identity: bytes) -> bool:
        at = bisect_right(self._ids, identity)
        return at > 0 and self._ids[at - 1] == identity

    def get(self, identity: bytes) -> bytes | None:
        """The canonical bytes of a proof, also before it is on the disk."""
        return self.unwritten.get(Digest(identity)) or self._shelf.get(identity)

    def write(self) -> None:
        """Make everything durable; call it in the thread of the ledger's writes."""
        records = dict(self.unwritten)
        if records:
            self._shelf.put(records)
            for identity in records:
                self.unwritten.pop(identity, None)

    # ---- what comes in

    def found(self, evidence: Evidence) -> None:
        """By the own core, from messages whose signatures were checked."""
        self._keep(evidence_id(evidence), evidence)

    def receive(self, sender: NodeId, message: EvidenceMessage, now_ms: int) -> None:
        """From a peer. Raises: Malformed for evidence that proves nothing: its sender lies."""
        match message:
            case EvidenceFound(raw):
                self._hear(sender, raw, now_ms)
            case EvidenceHeld(identities):
                missing = tuple(Digest(i) for i in identities if i not in self)
                if missing and self._may(sender, now_ms):
                    self._asked = {*self._asked, *missing} if len(self._asked) < ASKED_MAX else {*missing}
                    self._links.send(sender, EvidenceWanted(missing))
            case EvidenceWanted(identities):
                for identity in identities:
                    raw_or_none = self.get(identity)
                    if raw_or_none is not None and self._may(sender, now_ms):
                        self._links.send(sender, EvidenceFound(raw_or_none))

    def _may(self, sender: NodeId, now_ms: int) -> bool:
        now = now_ms / 1000
        budget = self._budgets.setdefault(sender, Budget(PEER_BURST, PEER_PER_SECOND, now))
        return budget.spend(1.0, now) == 0

    def _hear(self, sender: NodeId, raw: bytes, now_ms: int) -> None:
        evidence = decode_evidence(raw)
        identity = evidence_id(evidence)
        context = self._context(evidence.epoch)
        if identity in self or context is None or self._full(evidence):
            return
        if identity not in self._asked and not self._may(sender, now_ms):
            return
        self._asked.discard(identity)
        fault = check_evidence(evidence, context, self._verify)
        if fault is not None:
            raise Malformed(f"false evidence: {fault}")
        self._keep(identity, evidence)

    def _context(self, epoch: int) -> EpochContext | None:
        known = self._epochs.get(epoch) or self._context_of(epoch)
        if known is not None and epoch not in self._epochs:
            if len(self._epochs) >= EPOCHS_REMEMBERED:
                del self._epochs[next(iter(self._epochs))]
            self._epochs[epoch] = known
        return known

    def _full(self, evidence: Evidence) -> bool:
        return self._counts[evidence.epoch, evidence.accused] >= PER_ACCUSED_MAX

    def _keep(self, identity: Digest, evidence: Evidence) -> None:
        if identity in self or self._full(evidence):
            return
        self._count(identity, evidence)
        raw = encode(evidence)
        self.unwritten[identity] = raw
        self._links.broadcast(EvidenceFound(raw))
        self._on_new(evidence)

    def _count(self, identity: Digest, evidence: Evidence) -> None:
        insort(self._ids, identity)
        self._counts[evidence.epoch, evidence.accused] += 1

    # ---- what goes out by itself

    def tick(self, now_ms: int) -> None:
        """One page of the list to every peer that has not heard all of it."""
        if not self._ids:
            return
        connected = self._links.connected()
        for gone in self._offers.keys() - set(connected):
            del self._offers[gone]
        for node in connected:
            offer = self._offers.setdefault(node, _Offer(b"", now_ms, now_ms))
            if offer.after is None and now_ms >= offer.again_ms:
                offer.after = b""
            if offer.after is not None and now_ms >= offer.due_ms:
                self._offer(node, offer, now_ms)

    def _offer(self, node: NodeId, offer: _Offer, now_ms: int) -> None:
        start = bisect_right(self._ids, offer.after or b"")
        page = tuple(self._ids[start : start + EVIDENCE_LISTED_MAX])
        if page:
            self._links.send(node, EvidenceHeld(page))
        if len(page) < EVIDENCE_LISTED_MAX:
            offer.after, offer.again_ms = None, now_ms + OFFER_MS
        else:
            offer.after = page[-1]
        offer.due_ms = now_ms + PAGE_MS
