"""What makes a header acceptable as far as the core can see (C6, C13, C14); bodies and roots are the driver's."""

from consensus.block_tree import BlockTree
from consensus.epochs import EpochContext
from primitives.block import Block, batches_root, new_view_hash
from primitives.certificate import Phase, certificate_hash
from primitives.hashing import ZERO_DIGEST
from primitives.transaction import VALIDITY_SECONDS_MAX


def closes(block: Block, epoch: int) -> bool:
    """Whether the block is the last one of this epoch; the first block of the next one extends it (C8, S11)."""
    return block.header.next_valset_hash is not None and block.header.epoch == epoch


def body_fault(block: Block) -> str | None:
    """What in the block is not what its header binds (C2, C11)."""
    header, certificate = block.header, block.certificate
    if batches_root(block.batch_digests) != header.batches_root:
        return "C2: the batch digests are not those of batches_root"
    if header.new_view_hash != (None if block.new_view is None else new_view_hash(block.new_view)):
        return "C11: the NEWVIEW in the block is not that of new_view_hash"
    if header.cert_hash != (ZERO_DIGEST if certificate is None else certificate_hash(certificate)):
        return "C16: the embedded certificate is not that of cert_hash"
    if certificate is not None and (certificate.height, certificate.phase) != (header.cert_height, Phase.COMMIT):
        return f"C9: the embedded certificate is not a COMMIT certificate for height {header.cert_height}"
    return None


def header_fault(block: Block, view: int, context: EpochContext, window: int) -> str | None:
    """What is wrong with a fresh block of `view` without looking at its ancestors."""
    header = block.header
    leader = context.leader(view)
    lowest = max(context.start_height, header.height - window)
    if header.epoch != context.epoch or header.height <= context.start_height:
        return f"S11: a block of epoch {header.epoch} at height {header.height}"
    if header.proposer != leader:
        return f"C13: proposer {header.proposer} in view {view}, its leader is {leader}"
    if header.valset_hash != context.members.hash:
        return "S11: the header names another validator set"
    if header.next_valset_hash is not None and block.batch_digests:
        return f"C8: a close block with {len(block.batch_digests)} batches"
    if not lowest <= header.cert_height < header.height:
        return f"C9: cert_height {header.cert_height} of height {header.height}, from {lowest} on is legal"
    if (block.certificate is None) != (header.cert_height == context.start_height):
        return f"C9: no certificate for height {header.cert_height}"
    if not lowest <= header.exec_height <= header.cert_height:
        return f"C3: exec_height {header.exec_height}, legal is {lowest} to {header.cert_height}"
    return body_fault(block)


def repeated(block: Block, tree: BlockTree) -> bytes | None:
    """A batch that an ancestor above exec_height names too, at most 600 s before the parent (C5); what is executed up
    to there the driver remembers. As far as the ancestors are here: this protects disks, not agreement."""
    header, ancestor = block.header, tree.get(block.header.parent)
    oldest = 0 if ancestor is None else ancestor.header.time_ms // 1000 - VALIDITY_SECONDS_MAX
    while ancestor is not None and ancestor.header.height > header.exec_height:
        if ancestor.header.time_ms // 1000 < oldest:
            return None
        again = set(block.batch_digests).intersection(ancestor.batch_digests)
        if again:
            return min(again)
        ancestor = tree.get(ancestor.header.parent)
    return None


def chain_fault(block: Block, parent: Block, tree: BlockTree) -> str | None:
    """What is wrong with a block as the child of `parent`, whose digest the caller compared with header.parent."""
    header = block.header
    if closes(parent, header.epoch):
        return f"C8: height {header.height} after the close block of epoch {header.epoch}"
    if header.height != parent.header.height + 1:
        return f"S2: height {header.height} on a parent of height {parent.header.height}"
    if header.exec_height < parent.header.exec_height:
        return f"C3: exec_height {header.exec_height} goes back from {parent.header.exec_height}"
    if header.time_ms <= parent.header.time_ms:
        return f"C14: time {header.time_ms} is not after the parent's {parent.header.time_ms}"
    if block.certificate is not None:
        certified = tree.ancestor(header.parent, header.cert_height)
        if certified is not None and certified != block.certificate.digest:
            return f"S5: the embedded certificate for height {header.cert_height} is of another chain"
    again = repeated(block, tree)
    if again is not None:
        return f"C5: names batch {again.hex()} again, which an undecided or unexecuted ancestor names"
    return None
