"""Height 0: the block that the genesis file stands for, the same on every node without any exchange."""

from primitives import merkle
from primitives.block import Block, Header, batches_root
from primitives.genesis import Genesis, chain_id, validator_set
from primitives.hashing import ZERO_DIGEST


def genesis_block(genesis: Genesis, state_root: bytes) -> Block:
    """Its parent is the chain id, so two genesis files never share a block hash; it counts as certified (C9)."""
    header = Header(
        epoch=0,
        height=0,
        parent=chain_id(genesis),
        batches_root=batches_root(()),
        tx_root=merkle.EMPTY_ROOT,
        exec_height=0,
        state_root=state_root,
        receipts_root=merkle.EMPTY_ROOT,
        cert_height=0,
        cert_hash=ZERO_DIGEST,
        valset_hash=validator_set(genesis).hash,
        next_valset_hash=None,
        time_ms=genesis.time * 1000,
        proposer=0,
    )
    return Block(header, (), None)
