"""What a leader proposes: batches in the order of their arrival, per origin in turn, within the limits of genesis."""

from collections.abc import Sequence
from typing import Final

from chainnode.batches import HeldBatch
from chainnode.executor import Executor
from chainnode.membership import Membership
from consensus.events import BuildBlock
from primitives.block import Block, Header, batches_root, header_digest, new_view_hash, tx_root
from primitives.certificate import certificate_hash
from primitives.genesis import Limits
from primitives.hashing import ZERO_DIGEST

# A block costs a node as much as some 25 transactions, however few are in it. So many are worth one at any time; below
# that, a leader whose last block was no small one lets PACE_MS pass between two, and HEAVY_PACE_MS where it was a large
# one: the network has as much to do as it can, and what a block costs is best shared by many. On a quiet network
# nothing waits.
WORTH_TRANSACTIONS: Final = 256
EXECUTING: Final = 1  # block that may be under execution here; behind a second one a third would only wait, so it grows
BUSY_TRANSACTIONS: Final = 24
PACED_BELOW: Final = 96  # so many do not wait for more
PACE_MS: Final = 40
HEAVY_TRANSACTIONS: Final = 160
HEAVY_PACE_MS: Final = 60


class BlockBuilder:
    """Builds the blocks of one validator."""

    def __init__(self, membership: Membership, limits: Limits, executor: Executor) -> None:
        self._membership: Final = membership
        self._limits: Final = limits
        self._executor: Final = executor
        self._last = 0  # transactions in the last block that was built

    def build(self, request: BuildBlock, candidates: Sequence[HeldBatch], now_ms: int, force: bool) -> Block | None:
        """The child of `request.parent`, or None when there is nothing to say.

        `candidates` in the order in which they should go, none of them in an undecided ancestor; `force` wants a block
        even if it is empty (a set test clock).
        """
        exec_height = min(self._executor.height, request.exec_height_max)
        parent = request.parent_block.header
        state_root = self._executor.state_root(exec_height)
        if exec_height < request.exec_height_min or state_root is None:
            return None  # behind its own parent's execution: the executor catches up and the core asks again
        next_valset = self._executor.next_valset(exec_height)
        useful = [held for held in candidates if held.valid_until >= parent.time_ms // 1000]  # the others: C5
        chosen = self._choose(useful) if next_valset is None else []  # a close block is empty (C8)
        wanted = request.flush or force or next_valset is not None
        if not wanted and not self._is_worth_it(request, chosen):
            return None
        self._last = sum(len(batch.ids) for batch in chosen)
        certificate, context = request.certificate, self._membership.place.context
        header = Header(
            epoch=context.epoch,
            height=request.height,
            parent=header_digest(parent),
            batches_root=batches_root([batch.digest for batch in chosen]),
            tx_root=tx_root([i for batch in chosen for i in batch.ids]),
            exec_height=exec_height,
            state_root=state_root,
            receipts_root=self._executor.receipts_root(parent.exec_height, exec_height),
            cert_height=context.start_height if certificate is None else certificate.height,
            cert_hash=ZERO_DIGEST if certificate is None else certificate_hash(certificate),
            valset_hash=context.members.hash,
            next_valset_hash=next_valset,
            time_ms=max(now_ms, parent.time_ms + 1),
            proposer=self._membership.me,
            new_view_hash=None if request.new_view is None else new_view_hash(request.new_view),
        )
        return Block(header, tuple(batch.digest for batch in chosen), certificate, request.new_view)

    def _is_worth_it(self, request: BuildBlock, chosen: Sequence[HeldBatch]) -> bool:
        """Whether to say it now. While a block is under way, waits to be executed, or was proposed a moment ago under
        load, what waits gathers for the next one: the core asks again when that is decided, at every new batch, and at
        every tick."""
        waiting = sum(len(batch.ids) for batch in chosen)
        unexecuted = request.parent_block.header.height - self._executor.height
        queued = bool(request.undecided) or unexecuted > EXECUTING
        if queued or not waiting or waiting >= WORTH_TRANSACTIONS:
            return waiting >= WORTH_TRANSACTIONS
        if self._last >= HEAVY_TRANSACTIONS:
            return request.waited_ms >= HEAVY_PACE_MS
        calm = waiting >= PACED_BELOW or self._last < BUSY_TRANSACTIONS
        return calm or request.waited_ms >= PACE_MS

    def _choose(self, candidates: Sequence[HeldBatch]) -> list[HeldBatch]:
        """As many as fit, in order; a batch that does not fit ends the block, so none is passed over (C5, C7)."""
        chosen: list[HeldBatch] = []
        room = self._limits.block_bytes
        for batch in candidates:
            if len(chosen) == self._limits.block_batches or len(batch.raw) > room:
                break
            chosen.append(batch)
            room -= len(batch.raw)
        return chosen
