"""What a node knows again after a restart: the ledger's head for the core, and the bodies that its promises need."""

from typing import Final

from chainnode.batches import BatchStore
from chainnode.journal_entries import read_entries
from consensus.replica import Replica
from consensus.settings import LedgerHead, ReplicaConfig
from ledger.chain import Chain
from primitives.block import batch_digest
from primitives.certificate import Certificate
from primitives.codec import decode_canonical, decoder
from primitives.hashing import Digest
from primitives.validators import Height

HEAD_BLOCKS: Final = 64  # 2 W at the largest window: what the core keeps of the ledger

_CERTIFICATE: Final = decoder(Certificate)


def ledger_head(chain: Chain) -> LedgerHead:
    """What the core is told of the ledger at the start (C15).

    `changed` is the head where the state root is another one than the head's header carries, else the last height
    with a receipt that it does not cover: at worst one flush block too many.
    """
    top = chain.head.height
    blocks = tuple(b for h in range(max(0, top - HEAD_BLOCKS), top + 1) if (b := chain.block(h)) is not None)
    raw = chain.certificate(top)
    certificate = None if raw is None or top == 0 else decode_canonical(_CERTIFICATE, raw)
    header = blocks[-1].header
    changed = top if chain.head.state_root != header.state_root else 0
    for height in range(top, header.exec_height, -1):
        if any(receipt is not None for receipt in chain.receipts(height)):
            changed = max(changed, height)
            break
    return LedgerHead(blocks, certificate, Height(changed))


def restore(
    config: ReplicaConfig, chain: Chain, entries: list[bytes], store: BatchStore, now_ms: int
) -> tuple[Replica, list[Digest]]:
    """The core as its journal left it, and the batches of the journal that went back into the store (C1).

    A batch that the ledger has is not restored: it would be proposed once more, for nothing.
    Raises: JournalDamaged.
    """
    content = read_entries(entries)
    waiting = [raw for raw in content.batches if chain.batch(batch_digest(raw)) is None]
    digests = [store.restore(raw, now_ms) for raw in waiting]
    return Replica.restore(config, content.records, ledger_head(chain)), digests
