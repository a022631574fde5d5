"""Height 0: the block that the genesis file stands for, the same on every node without any exchange."""

from primitives.block import Block
from primitives.genesis import Genesis, genesis_header


def genesis_block(genesis: Genesis, state_root: bytes) -> Block:
    """A block without content; it counts as certified (C9)."""
    return Block(genesis_header(genesis, state_root), (), None)
