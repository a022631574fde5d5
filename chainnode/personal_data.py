"""What a gateway keeps off the chain for ever: mobile and identity-card numbers in free texts (2.10, PIPL hygiene).

A rule of the edge, not of consensus: it looks at a text as people would read it, which depends on Unicode tables.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from primitives.kinds import BatchOperations, Body

_GAP: Final = re.compile(r"(?<=[0-9])[ \u3000-](?=[0-9Xx])")
_NUMBER: Final = re.compile(
    r"(?<![0-9])(?:1[3-9][0-9]{9}"  # a mobile
    r"|[1-9][0-9]{5}(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}[0-9Xx])"  # place, birthday
    r"(?![0-9])"
)


def tells_a_person(body: Body) -> bool:
    """Whether a memo or reason of the transaction holds 11 digits of a mobile, or 18 of an identity card."""
    return any(_NUMBER.search(_GAP.sub("", text)) for text in _texts(body))


def _texts(body: Body) -> Iterator[str]:
    if isinstance(body, BatchOperations):
        for operation in body.operations:
            yield from _texts(operation)
        return
    for raw in (getattr(body, "memo", b""), getattr(body, "reason", b"")):
        if isinstance(raw, bytes) and len(raw) >= 11:
            yield unicodedata.normalize("NFKC", raw.decode("utf-8", "replace"))
