"""What the node's journal holds: the core's records, and the raw batches that they vouch for (C1).

A batch stands before the first record that names it, so whatever prefix survives a crash is complete.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from consensus.journal_records import JOURNAL_DECODER, JournalRecord
from ledger.failures import JournalDamaged
from primitives.codec import Malformed, decode_canonical, encode

_RECORD: Final = b"\x00"
_BATCH: Final = b"\x01"
ROTATE_BYTES: Final = 16 * 1024 * 1024  # every restart reads and replays it: 0.25 s for 16 MiB


class JournalContent(NamedTuple):
    """What was found at the start, each list in its order."""

    records: list[JournalRecord]
    batches: list[bytes]


def record_entry(record: JournalRecord) -> bytes:
    """The journal bytes of a promise."""
    return _RECORD + encode(record)


def batch_entry(raw: bytes) -> bytes:
    """The journal bytes of a body."""
    return _BATCH + raw


def read_entries(entries: Iterable[bytes]) -> JournalContent:
    """The content of a journal whose frames are whole. Raises: JournalDamaged for an entry of no known kind."""
    content = JournalContent([], [])
    for number, entry in enumerate(entries):
        if entry[:1] == _BATCH:
            content.batches.append(entry[1:])
            continue
        try:
            if entry[:1] != _RECORD:
                raise Malformed(f"kind {entry[:1].hex()}")
            content.records.append(decode_canonical(JOURNAL_DECODER, entry[1:]))
        except Malformed as error:
            raise JournalDamaged(f"journal entry {number} is whole but unreadable: {error}") from error
    return content
