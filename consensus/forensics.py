"""Who made a fork: from two COMMIT certificates that contradict each other, and what the nodes remember, to proofs.

A fork needs more than f validators that broke a rule (S10). Whoever was among them signed things that contradict each
other; this module compares everything that each validator signed, and what it finds it can prove (evidence.py).

Why at least f + 1 are found. Any two quorums share f + 1 members. Let the lower certificate, by view and then height,
be COMMIT(v, h, A).
- The other one is of view v as well: the members in both committed to two chains in one view (BrokenChain, DoubleVote).
- It is of a later view: take the first view w above v in which a block was certified, or made the base, that has not A
  in its chain. Somebody honest prepared in w, on a NEWVIEW(w) whose base has not A in its chain. If the base's rank is
  below (v, h), everybody both in it and in the COMMIT certificate hid that COMMIT (HiddenCommit). If it is above, its
  certificate is of view v, since w is the first: its members and those of A's PREPARE certificate prepared two chains
  in one view. For this case the PREPARE certificate of A is needed; every honest member that committed A holds it.
Source: BFT Protocol Forensics, arXiv 2010.06785, for a protocol whose view change carries one certificate.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from consensus.epochs import EpochContext
from consensus.evidence import (
    LINKS_MAX,
    BrokenChain,
    DoubleNewView,
    DoubleViewChange,
    DoubleVote,
    Evidence,
    HiddenCommit,
    LateVote,
    Proof,
    accuse,
    check_evidence,
    evidence_id,
    place_of,
    votes_in,
)
from consensus.journal_records import (
    Committed,
    EnteredView,
    JournalRecord,
    LeftView,
    Prepared,
    Proposed,
    SawCertificate,
)
from consensus.messages import NewView, Summary, Vote
from consensus.view_change import Rank, base_of, decode_new_view
from primitives.block import Block, Header, header_digest
from primitives.certificate import Certificate, Phase, Verify
from primitives.codec import Malformed, encode
from primitives.hashing import Digest
from primitives.keys import Signature


@dataclass(frozen=True, slots=True)
class Transcript:
    """What is known of one epoch, from any number of nodes. Nothing in it is believed: each proof is checked."""

    certificates: tuple[Certificate, ...] = ()
    new_views: tuple[NewView, ...] = ()
    votes: tuple[Vote, ...] = ()
    changes: tuple[Summary, ...] = ()
    headers: tuple[Header, ...] = ()

    def __add__(self, other: "Transcript") -> "Transcript":
        return Transcript(
            self.certificates + other.certificates, self.new_views + other.new_views, self.votes + other.votes,
            self.changes + other.changes, self.headers + other.headers,
        )  # fmt: skip


def transcript_of(blocks: Iterable[Block]) -> Transcript:
    """What blocks carry by themselves: headers, embedded certificates, the NEWVIEWs that opened their views (C11)."""
    held = tuple(blocks)
    new_views = []
    for block in held:
        if block.new_view is not None:
            try:
                new_views.append(decode_new_view(block.new_view))
            except Malformed:
                continue  # it proves nothing
    certificates = tuple(block.certificate for block in held if block.certificate is not None)
    return Transcript(certificates, tuple(new_views), headers=tuple(block.header for block in held))


def transcript_of_records(records: Iterable[JournalRecord]) -> Transcript:
    """What a node's journal remembers: its own votes and locks, the NEWVIEWs it accepted (S9)."""
    certificates: list[Certificate] = []
    new_views: list[NewView] = []
    votes: list[Vote] = []
    changes: list[Summary] = []
    blocks: list[Block] = []
    for record in records:
        match record:
            case Prepared(vote, block):
                votes.append(vote)
                blocks += [] if block is None else [block]
            case Proposed(proposal):
                blocks.append(proposal.block)
            case Committed(vote, lock):
                votes.append(vote)
                certificates.append(lock)
            case LeftView(message):
                changes.append(message.summary)
                certificates += [] if message.certificate is None else [message.certificate]
            case EnteredView(new_view):
                new_views.append(new_view)
            case SawCertificate(certificate):
                certificates.append(certificate)
    own = Transcript(tuple(certificates), tuple(new_views), tuple(votes), tuple(changes))
    return own + transcript_of(blocks)


class Headers:
    """Headers by hash, to follow chains downwards."""

    def __init__(self, headers: Iterable[Header]) -> None:
        self._known = {header_digest(header): header for header in headers}

    def down(self, digest: bytes, height: int, to: int) -> tuple[Header, ...] | None:
        """The headers from the block at `height` down to the height above `to`; None if one is missing."""
        found: list[Header] = []
        at = Digest(digest)
        for expected in range(height, to, -1):
            header = self._known.get(at)
            if header is None or header.height != expected:
                return None
            found.append(header)
            at = Digest(header.parent)
        return tuple(found)

    def extends(self, digest: bytes, height: int, ancestor: bytes, at: int) -> bool | None:
        """Whether a block has another one, or is it, in its chain; None if that cannot be told."""
        if height < at:
            return False
        path = self.down(digest, height, at)
        if path is None:
            return None
        return (path[-1].parent if path else digest) == ancestor


def find_evidence(transcript: Transcript, context: EpochContext, verify: Verify) -> list[Evidence]:
    """Every offence that the transcript proves, each once, by seat; all of them checked."""
    genuine = _Genuine(context, verify)
    certificates = [*transcript.certificates, *(m.certificate for m in transcript.new_views if m.certificate)]
    parts = [v for c in certificates if c.signers.bit_count() == len(c.signatures) for v in votes_in(c).values()]
    votes: dict[int, list[Vote]] = defaultdict(list)
    for vote in (*transcript.votes, *parts):
        if genuine.vote(vote):
            votes[vote.signer].append(vote)
    changes: dict[int, list[Summary]] = defaultdict(list)
    carried = [summary for message in transcript.new_views for summary in message.summaries]
    for change in (*transcript.changes, *carried):
        if genuine.change(change):
            changes[change.signer].append(change)
    headers = Headers(transcript.headers)
    found: list[Evidence] = []
    for signer in sorted(votes.keys() | changes.keys()):
        proofs = (*_of_votes(votes[signer], headers), *_of_changes(votes[signer], changes[signer]))
        found += [accuse(context, signer, proof) for proof in proofs]
    found += _of_new_views(transcript.new_views, context, verify)
    valid = {evidence_id(e): e for e in reversed(found) if check_evidence(e, context, verify) is None}
    return sorted(valid.values(), key=lambda e: (e.accused, place_of(e.proof)))


class _Genuine:
    """Forged messages must go before anything is compared: they would stand in the place of real ones. Each signature
    is verified once, the same certificate is in many hands."""

    def __init__(self, context: EpochContext, verify: Verify) -> None:
        self._context = context
        self._verify = verify
        self._known: dict[Vote | Summary, bool] = {}

    def vote(self, vote: Vote) -> bool:
        """Whether its signer signed it, as a member of the epoch."""
        return self._signed(vote, self._context.signed_vote_bytes(vote))

    def change(self, change: Summary) -> bool:
        """Whether its signer signed it, as a member of the epoch."""
        return self._signed(change, self._context.summary_bytes(change))

    def _signed(self, message: Vote | Summary, signed: bytes) -> bool:
        if message not in self._known:
            own = message.epoch == self._context.epoch and self._context.is_member(message.signer)
            self._known[message] = own and self._verify(
                self._context.key_of(message.signer), signed, Signature(message.signature)
            )
        return self._known[message]


def _of_votes(votes: list[Vote], headers: Headers) -> Iterator[Proof]:
    """Double votes and broken chains of one signer."""
    slots: dict[tuple[Phase, int], dict[int, Vote]] = defaultdict(dict)
    for vote in votes:
        known = slots[vote.phase, vote.view].setdefault(vote.height, vote)
        if known.digest != vote.digest:
            yield DoubleVote(known, vote)
    for by_height in slots.values():
        in_order = [by_height[height] for height in sorted(by_height)]
        for lower, higher in zip(in_order, in_order[1:], strict=False):
            if higher.height - lower.height <= LINKS_MAX:
                path = headers.down(higher.digest, higher.height, lower.height)
                if path is not None and path[-1].parent != lower.digest:
                    yield BrokenChain(lower, higher, path)


def _of_changes(votes: list[Vote], changes: list[Summary]) -> Iterator[Proof]:
    """What one signer hid, signed too late, or signed twice when it left a view."""
    highest: dict[tuple[int, Phase], Vote] = {}
    for vote in votes:
        known = highest.get((vote.view, vote.phase))
        if known is None or vote.height > known.height:
            highest[vote.view, vote.phase] = vote
    by_view: dict[int, Summary] = {}
    for change in changes:
        first = by_view.setdefault(change.view, change)
        if encode(first) != encode(change):
            yield DoubleViewChange(first, change)
        committed = [v for v in highest.values() if v.phase is Phase.COMMIT and v.view < change.view]
        commit = max(committed, key=lambda vote: (vote.view, vote.height), default=None)
        if commit is not None and (change.high_view, change.high_height) < (commit.view, commit.height):
            yield HiddenCommit(commit, change)
        for phase in Phase:
            last = highest.get((change.view - 1, phase))
            if last is not None and change.tip_height < last.height:
                yield LateVote(last, change)


def _of_new_views(new_views: tuple[NewView, ...], context: EpochContext, verify: Verify) -> Iterator[Evidence]:
    """Two for one view. Who led is not looked up: whose key fits has signed."""
    by_leader: dict[tuple[int, int], NewView] = {}
    for message in dict.fromkeys(new_views):
        signed, signature = context.new_view_bytes(message), Signature(message.signature)
        for node in context.members.nodes:
            if message.epoch == context.epoch and verify(context.key_of(node), signed, signature):
                first = by_leader.setdefault((node, message.view), message)
                if first != message:
                    yield accuse(context, node, DoubleNewView(first, message))


def missing_for_verdict(
    one: Certificate, other: Certificate, transcript: Transcript, context: EpochContext
) -> str | None:
    """What to look for when fewer than f + 1 were found; None if nothing more can be told.

    `one` and `other` are valid COMMIT certificates of the epoch for blocks that are not on one chain.
    """
    if one.epoch != other.epoch:
        return "the certificates are of different epochs: compare the ones at the height where the chains part"
    lower, higher = sorted((one, other), key=lambda c: (c.view, c.height))
    headers = Headers(transcript.headers)
    if lower.view == higher.view:
        return f"the headers between heights {min(one.height, other.height)} and {max(one.height, other.height)}"
    bases = [(message.view, base_of(message.certificate, context)) for message in transcript.new_views]
    strangers = [c for c in (*transcript.certificates, higher) if c.view > lower.view]
    views = {
        c.view for c in strangers if headers.extends(c.digest, c.height, lower.digest, lower.height) is not True
    } | {
        view
        for view, base in bases
        if view > lower.view and headers.extends(base.digest, base.rank.height, lower.digest, lower.height) is not True
    }
    first = min(views)
    foreign = [base for view, base in bases if view == first
               and headers.extends(base.digest, base.rank.height, lower.digest, lower.height) is not True]  # fmt: skip
    if not foreign:
        return f"the NEWVIEW of view {first} on which the block of height {higher.height} was prepared"
    if all(base.rank >= Rank(lower.view, lower.height) for base in foreign):
        return f"the PREPARE certificate of view {lower.view} height {lower.height}"
    return None
