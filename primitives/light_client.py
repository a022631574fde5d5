"""What somebody outside may believe: headers that a quorum certified, and what they bind, over any number of epochs.

Trust begins at the genesis, or at a TrustRecord kept from earlier: the newest epoch that was ever proven here, and the
newest certified header. An old epoch's keys prove nothing above its close block (pitfalls 62, 65), and two certified
headers at one height are a fork, never a choice. An answer that is proven at a height is of that height: a silent
chain is idle or withheld, and only another node can tell which.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

import msgspec

from primitives.block import Header, header_digest
from primitives.certificate import Certificate, Phase, verify_certificate
from primitives.codec import U64, Bytes32, Malformed, Record, decode_canonical, decoder
from primitives.genesis import Genesis, chain_id, genesis_header, validator_set
from primitives.handover import Handover, check_handover
from primitives.hashing import Digest
from primitives.keys import verify
from primitives.state_proof import StateProof, verify_state_proof
from primitives.validators import Validator, ValidatorSet, valset_hash

TRUST_FORMAT: Final = 1
TRUST_BYTES_MAX: Final = 8 * 1024 * 1024
HEADERS_MAX: Final = 67  # from a block to the header that covers it (W, at most 32), from there to a certified one (W)
EPOCHS_MAX: Final = 4096  # in one proof and in a trust record
STALE_MS: Final = 10_000  # block time by which an answer may be older than the newest proven header
IDLE_MS: Final = 60_000  # an answer older than this by the wall clock: ask another node whether the chain is idle
KNOWN_MAX: Final = 256  # certified headers kept to notice a fork


class Certified(Record):
    """`headers[0]` is what is proven: each further one is the child of the one before, the last is certified (C3).

    `certificate` None: the header of genesis, which needs none.
    """

    headers: Annotated[tuple[Header, ...], msgspec.Meta(min_length=1, max_length=HEADERS_MAX)]
    certificate: Certificate | None


class TrustRecord(Record):
    """The weak subjectivity pin: block `closes[i]` ended epoch i, `seats` are those after the last of them."""

    format: U64
    chain_id: Bytes32
    closes: Annotated[tuple[Certified, ...], msgspec.Meta(max_length=EPOCHS_MAX)]
    seats: tuple[Validator | None, ...]
    newest: Certified | None


_RECORD: Final = decoder(TrustRecord)


class Conflict(Malformed):
    """Two blocks that cannot be of one chain, both with valid certificates: a fork, or old keys that signed again.

    It takes more than f faulty members. Keep both: together they are the evidence.
    """

    def __init__(self, known: Certified, found: Certified) -> None:
        blocks = " and ".join(f"{h.height} {header_digest(h).hex()[:16]}" for h in (known.headers[0], found.headers[0]))
        super().__init__(f"FORK ALARM: certified blocks of two chains: {blocks}")
        self.known: Final = known
        self.found: Final = found


@dataclass(slots=True)
class _Era:
    """An epoch: blocks in (start, end]; `members` None: known to have been, its seats not shown again yet."""

    start: int
    end: int | None
    members: ValidatorSet | None


def decode_trust(raw: bytes) -> TrustRecord:
    """The record of a file. Raises: Malformed."""
    if len(raw) > TRUST_BYTES_MAX:
        raise Malformed(f"a trust record of {len(raw)} bytes, limit {TRUST_BYTES_MAX}")
    record = decode_canonical(_RECORD, raw)
    if record.format != TRUST_FORMAT:
        raise Malformed(f"trust record format {record.format}, this release reads {TRUST_FORMAT}")
    return record


class TrustedEpochs:
    """The validator sets from genesis to the newest epoch proven so far, and what they certified.

    Everything here raises Malformed with the first thing that does not hold, Conflict for a fork; what is wrong
    changes nothing. `genesis_root` computes the state root of height 0, asked only where a proof ends there.
    """

    def __init__(
        self, genesis: Genesis, record: TrustRecord | None = None, genesis_root: Callable[[], bytes] | None = None
    ) -> None:
        self.chain_id: Final[Digest] = chain_id(genesis)
        self._genesis: Final = genesis
        self._genesis_root: Final = genesis_root
        self._closes: list[Certified] = []
        self._eras: list[_Era] = [_Era(0, None, validator_set(genesis))]
        self._known: dict[int, Certified] = {}
        self.newest: Certified | None = None
        if record is not None:
            self._restore(record)

    @property
    def epoch(self) -> int:
        """The newest epoch that is proven."""
        return len(self._eras) - 1

    @property
    def members(self) -> ValidatorSet:
        """The set of the newest epoch."""
        members = self._eras[-1].members
        assert members is not None, "the newest epoch's seats are always known"
        return members

    def knows(self, epoch: int) -> bool:
        """Whether the members of the epoch are at hand: of one that is over they are not, until `advance` is given all
        handovers once more."""
        return 0 <= epoch <= self.epoch and self._eras[epoch].members is not None

    def members_of(self, epoch: int) -> ValidatorSet:
        """The set of a proven epoch. Raises: Malformed if its handover was not shown."""
        if not 0 <= epoch <= self.epoch:
            raise Malformed(f"epoch {epoch}: handovers are proven up to epoch {self.epoch}")
        members = self._eras[epoch].members
        if members is None:
            raise Malformed(f"epoch {epoch} is over; the handover that opened it is missing here")
        return members

    def record(self) -> TrustRecord:
        """What to keep for the next time."""
        return TrustRecord(TRUST_FORMAT, self.chain_id, tuple(self._closes), self.members.seats, self.newest)

    def advance(self, handover: Handover) -> None:
        """Take one handover, in order of epochs; those of epochs that are over must be the known ones (S11)."""
        header = handover.header
        if header.epoch > self.epoch:
            raise Malformed(f"a handover out of epoch {header.epoch}, that out of epoch {self.epoch} is due")
        shown = Certified((header,), handover.certificate)
        if header.epoch < self.epoch:
            self._repeat(handover, shown)
            return
        if self.epoch >= EPOCHS_MAX:
            raise Malformed(f"more than {EPOCHS_MAX} epochs")
        members = check_handover(handover, self.chain_id, self.epoch, self.members, verify)
        era = self._eras[-1]
        if header.height <= era.start:
            raise Malformed(f"epoch {header.epoch} closes at block {header.height}, it began above {era.start}")
        newest = self.newest
        if newest is not None and newest.headers[0].height > header.height:
            raise Conflict(newest, shown)  # nothing follows the close block in its epoch (C8)
        self._remember((shown,))
        era.end = header.height
        self._closes.append(shown)
        self._eras.append(_Era(header.height, None, members))

    def certified_header(self, shown: Certified) -> Header:
        """`shown.headers[0]`, proven."""
        headers, certificate = shown.headers, shown.certificate
        for parent, child in zip(headers, headers[1:], strict=False):
            if child.parent != header_digest(parent) or child.height != parent.height + 1:
                raise Malformed(f"header {child.height} is not the child of header {parent.height}")
        if certificate is None:
            return self._genesis_header(headers)
        last, members = headers[-1], self.members_of(certificate.epoch)
        era = self._eras[certificate.epoch]
        if not era.start < last.height or (era.end is not None and last.height > era.end):
            raise Malformed(
                f"a certificate of epoch {certificate.epoch} for block {last.height}; that epoch has the blocks "
                f"{era.start + 1} to {era.end}"
            )
        check_certificate(last, certificate, members, self.chain_id)
        self._remember([Certified(headers[position:], certificate) for position in range(len(headers))])
        return headers[0]

    def age_behind_newest_ms(self, header: Header) -> int:
        """By how much block time the header is older than the newest one proven here; 0 if it is not."""
        newest = self.newest
        return 0 if newest is None else max(0, newest.headers[0].time_ms - header.time_ms)

    def is_stale(self, header: Header) -> bool:
        """Whether it is older than another proven header by more than STALE_MS: true, but of the past."""
        return self.age_behind_newest_ms(header) > STALE_MS

    # ---- what is remembered

    def _remember(self, proven: Sequence[Certified]) -> None:
        for shown in proven:
            header = shown.headers[0]
            same, below, above = (self._known.get(header.height + step) for step in (0, -1, 1))
            if same is not None and same.headers[0] != header:
                raise Conflict(same, shown)
            if below is not None and header.parent != header_digest(below.headers[0]):
                raise Conflict(below, shown)
            if above is not None and above.headers[0].parent != header_digest(header):
                raise Conflict(above, shown)
        for shown in proven:
            self._known.setdefault(shown.headers[0].height, shown)
        while len(self._known) > KNOWN_MAX:
            del self._known[min(self._known)]
        if self.newest is None or proven[-1].headers[0].height > self.newest.headers[0].height:
            self.newest = proven[-1]

    def _repeat(self, handover: Handover, shown: Certified) -> None:
        """A handover of an epoch that is over: its header must be the known one; then its seats are proven again."""
        header, known = handover.header, self._closes[handover.header.epoch]
        if known != shown:  # other signers may have certified the same block
            check_handover(handover, self.chain_id, header.epoch, self.members_of(header.epoch), verify)
        if known.headers[0] != header:
            raise Conflict(known, shown)
        if valset_hash(handover.seats) != header.next_valset_hash:
            raise Malformed(f"the members after block {header.height} are not those that its header names")
        opened = self._eras[header.epoch + 1]
        if opened.members is None:
            opened.members = ValidatorSet(handover.seats)

    def _genesis_header(self, headers: Sequence[Header]) -> Header:
        header = headers[0]
        if len(headers) != 1 or header.height != 0:
            raise Malformed(f"no certificate for block {headers[-1].height}")
        if self._genesis_root is None or header != genesis_header(self._genesis, self._genesis_root()):
            raise Malformed("this is not the header of genesis")
        return header

    def _restore(self, record: TrustRecord) -> None:
        if record.chain_id != self.chain_id:
            raise Malformed(f"the trust record is of chain {record.chain_id.hex()[:16]}")
        for close in record.closes:
            height = close.headers[0].height
            self._known[height] = close
            self._eras[-1].end = height
            self._eras.append(_Era(height, None, None))
            self._closes.append(close)
        self._eras[-1].members = ValidatorSet(record.seats)
        if record.newest is not None:
            self.newest = record.newest
            self._known[record.newest.headers[0].height] = record.newest


def check_certificate(header: Header, certificate: Certificate, members: ValidatorSet, chain: bytes) -> None:
    """Whether it is a commit certificate of this very block by these members. Raises: Malformed."""
    if certificate.phase is not Phase.COMMIT:
        raise Malformed("the certificate is not of the commit phase")
    if header.epoch != certificate.epoch or header.valset_hash != members.hash:
        raise Malformed(f"the certificate is of another validator set than that of epoch {certificate.epoch}")
    if certificate.digest != header_digest(header) or certificate.height != header.height:
        raise Malformed(f"the certificate is for another block than {header.height}")
    if not verify_certificate(certificate, chain, members, verify):
        raise Malformed(f"the certificate has not exactly {members.quorum} valid signatures of members")


def check_state(header: Header, key: bytes, value: bytes | None, proof: StateProof) -> None:
    """Whether the state after `header.exec_height` holds `value` under the key (None: nothing). Raises: Malformed."""
    if not verify_state_proof(header.state_root, key, value, proof):
        what = "absence" if value is None else "value"
        raise Malformed(f"the {what} of {key[:1]!r} {key[1:33].hex()} is not under the state root of {header.height}")
