"""What is left of a broken agreement: two commit certificates that cannot both be true, in a file for people (T24)."""

from pathlib import Path
from typing import Final

import msgspec

from chainnode.failures import Forked
from ledger.chain import Chain
from primitives.block import header_digest
from primitives.certificate import Certificate
from primitives.codec import encode

PATTERN: Final = "fork-*.json"


def fork_sentence(path: Path, height: int) -> str:
    """What happened, and what to do."""
    return (
        f"a quorum certified another block at height {height} than the one that is final here, so more than f "
        f"validators have signed two chains; {path} holds the proof. Stop, compare the nodes with "
        "`hnchain audit evidence --fork URL URL`, decide together which chain stands, then remove the file"
    )


def write_fork(folder: Path, chain: Chain, certificate: Certificate) -> Forked:
    """Keep the proof in the data directory; the failure that ends the node."""
    height = certificate.height
    header = chain.header(height) if chain.floor <= height <= chain.head.height else None
    own = chain.covering_certificate(height) if header is not None else None
    content = {
        "height": height,
        "certified_elsewhere": certificate.digest.hex(),
        "final_here": None if header is None else header_digest(header).hex(),
        "certificate_elsewhere": encode(certificate).hex(),
        "certificate_here": None if own is None else own[1].hex(),
        "certificate_here_height": None if own is None else own[0],
    }
    path = folder / f"fork-{height}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(content)))
    return Forked(fork_sentence(path, height))


def check_no_fork(folder: Path) -> None:
    """Raises: Forked while a file of an earlier run is there."""
    for path in sorted(folder.glob(PATTERN)):
        raise Forked(fork_sentence(path, int(path.stem.removeprefix("fork-"))))
