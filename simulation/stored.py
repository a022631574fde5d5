"""What the checkers hear of a ledger: blocks with what their execution gave."""

from dataclasses import dataclass

from primitives import merkle
from primitives.block import Block, Header, batches_root, header_digest, tx_root
from primitives.hashing import ZERO_DIGEST, Digest
from primitives.validators import ValidatorSet

WALL_MS = 1_700_000_000_000  # wall clock at virtual time 0


@dataclass(frozen=True, slots=True)
class Stored:
    """A decided block after its execution. `receipts`: the transactions that it executed, in order."""

    block: Block
    digest: Digest
    state_root: Digest
    receipts: tuple[Digest, ...]


def genesis_block(members: ValidatorSet) -> Block:
    """Height 0 of a chain without people, for cores alone."""
    header = Header(
        epoch=0, height=0, parent=ZERO_DIGEST, batches_root=batches_root(()), tx_root=tx_root(()), exec_height=0,
        state_root=ZERO_DIGEST, receipts_root=merkle.EMPTY_ROOT, cert_height=0, cert_hash=ZERO_DIGEST,
        valset_hash=members.hash, next_valset_hash=None, time_ms=WALL_MS - 1, proposer=0,
    )  # fmt: skip
    return Block(header, (), None)


def genesis_stored(genesis: Block) -> Stored:
    """Height 0; its header names the root after itself."""
    return Stored(genesis, header_digest(genesis.header), Digest(genesis.header.state_root), ())
