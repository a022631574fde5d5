"""Evidence as an outsider checks it, with the sets of validators that handovers prove; no node and no disk needed.

Also the file that carries it: evidence with the handovers that prove its epochs, to be checked with the genesis alone.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec

from chainnode.journal_entries import read_entries
from consensus.epochs import EpochContext
from consensus.evidence import (
    EVIDENCE_BYTES_MAX,
    KINDS,
    Evidence,
    check_evidence,
    decode_evidence,
    evidence_id,
    statements,
)
from consensus.forensics import (
    Transcript,
    find_evidence,
    missing_for_verdict,
    transcript_of,
    transcript_of_records,
)
from ledger.failures import JournalDamaged
from ledger.journal import Journal
from ledger.memory_disk import MemoryDisk
from primitives.block import Block
from primitives.certificate import Certificate
from primitives.codec import U64, Bytes32, Malformed, Record, decode_canonical, decoder, encode
from primitives.handover import Handover
from primitives.hashing import ZERO_DIGEST, Digest
from primitives.keys import verify
from primitives.validators import Epoch, Height, ValidatorSet

FILE_FORMAT: Final = 1
FILE_BYTES_MAX: Final = 256 * 1024 * 1024


class EvidenceFile(Record):
    """`handovers` from genesis on, as far as the items need them; `items`: canonical Evidence."""

    format: U64
    chain_id: Bytes32
    handovers: tuple[Handover, ...]
    items: tuple[Annotated[bytes, msgspec.Meta(max_length=EVIDENCE_BYTES_MAX)], ...]


_FILE: Final = decoder(EvidenceFile)
_BLOCK: Final = decoder(Block)

Remembered = Transcript  # what journals add to a verdict


@dataclass(frozen=True, slots=True)
class Offence:
    """A proven one. `accused` is the name on the seat in that epoch, `key` its voting key."""

    identity: Digest
    epoch: int
    seat: int
    accused: str
    key: str
    kind: str
    signed: tuple[str, str]
    raw: bytes

    def plain(self) -> dict[str, Any]:
        """For JSON answers."""
        return {"id": self.identity.hex(), "epoch": self.epoch, "seat": self.seat, "accused": self.accused,
                "vote_key": self.key, "kind": self.kind, "signed": list(self.signed)}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ForkVerdict:
    """`needed` is f + 1: so many keys at least must have broken a rule. `missing`: what to look for if fewer are
    named."""

    epoch: int
    heights: tuple[int, int]
    offences: tuple[Offence, ...]
    needed: int
    missing: str | None

    @property
    def accused(self) -> list[str]:
        """Names, each once."""
        return list(dict.fromkeys(offence.accused for offence in self.offences))


def epoch_of_evidence(raw: bytes) -> int:
    """The epoch whose members are needed to check it. Raises: Malformed."""
    return decode_evidence(raw).epoch


def check_raw(raw: bytes, chain_id: bytes, members_of: Callable[[int], ValidatorSet]) -> Offence:
    """The offence that these bytes prove. Raises: Malformed, also from `members_of` for an epoch that is not proven."""
    evidence = decode_evidence(raw)
    members = members_of(evidence.epoch)
    fault = check_evidence(evidence, _context(chain_id, evidence.epoch, members), verify)
    if fault is not None:
        raise Malformed(f"false evidence: {fault}")
    return _offence(evidence, members)


def _context(chain_id: bytes, epoch: int, members: ValidatorSet) -> EpochContext:
    return EpochContext(Digest(chain_id), Epoch(epoch), members, Height(0), ZERO_DIGEST)


def _offence(evidence: Evidence, members: ValidatorSet) -> Offence:
    accused = members.at(evidence.accused)
    kind = KINDS[type(evidence.proof)]
    return Offence(
        evidence_id(evidence), evidence.epoch, evidence.accused, accused.name, accused.vote_key.hex(), kind,
        statements(evidence), encode(evidence),
    )  # fmt: skip


def encode_file(chain_id: bytes, handovers: Sequence[Handover], offences: Iterable[Offence]) -> bytes:
    """The file of these offences, in the order of their identities."""
    items = tuple(offence.raw for offence in sorted(offences, key=lambda offence: offence.identity))
    return encode(EvidenceFile(FILE_FORMAT, chain_id, tuple(handovers), items))


def decode_file(raw: bytes) -> EvidenceFile:
    """Nothing in it is checked yet. Raises: Malformed."""
    if len(raw) > FILE_BYTES_MAX:
        raise Malformed(f"an evidence file of {len(raw)} bytes, limit {FILE_BYTES_MAX}")
    found = decode_canonical(_FILE, raw)
    if found.format != FILE_FORMAT:
        raise Malformed(f"evidence file format {found.format}, this release reads {FILE_FORMAT}")
    return found


def decode_block(raw: bytes) -> Block:
    """A block as nodes store it. Raises: Malformed."""
    return decode_canonical(_BLOCK, raw)


def judge_fork(
    one: Certificate, other: Certificate, blocks: Sequence[Block], journals: Transcript,
    chain_id: bytes, members: ValidatorSet,
) -> ForkVerdict:
    """Who made two certified chains out of one: `one` and `other` are valid COMMIT certificates of one epoch for blocks
    that are not on one chain; `blocks` of both chains above the height where they part; `journals`: what
    those of any nodes add.
    """
    context = _context(chain_id, one.epoch, members)
    known = transcript_of(blocks) + Transcript((one, other)) + journals
    offences = tuple(_offence(evidence, members) for evidence in find_evidence(known, context, verify))
    needed = members.faulty + 1
    enough = len({offence.seat for offence in offences}) >= needed
    missing = None if enough else missing_for_verdict(one, other, known, context)
    return ForkVerdict(one.epoch, (one.height, other.height), offences, needed, missing)


def read_journal(raw: bytes, chain_id: bytes) -> Transcript:
    """What a journal file remembers. Raises: Malformed if it is damaged or of another chain.

    It is read from a copy in memory: opening a journal may cut a torn end.
    """
    image = MemoryDisk()
    image.create("journal").write_at(0, raw)
    try:
        _, entries = Journal.open(image, "journal", chain_id)
        return transcript_of_records(read_entries(entries).records)
    except JournalDamaged as error:
        raise Malformed(str(error)) from error
