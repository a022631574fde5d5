"""An adversary that owns the network for a while: it sees honest traffic and strikes where it hurts, on a budget.

It holds back the very vote that would complete a quorum at a receiver, and whatever else would give that receiver the
same certificate, for HOLD_MS; and it cuts off the leader of the view that is about to open. It cannot forge, and every
strike costs one of `budget`; when that is spent the network is as good as before, and everything must be decided from
then on (L1, L2, L4).
"""

from collections import defaultdict
from typing import Final

from consensus.epochs import EpochContext
from consensus.messages import CertificateMessage, Message, NewView, Proposal, ViewChange, Vote
from primitives.block import header_digest
from primitives.certificate import Phase

HOLD_MS: Final = 1_500  # longer than the shortest progress timer
CUT_MS: Final = 900
Slot = tuple[int, int, int, bytes]  # phase, view, height, digest


class Adversary:
    """Ask it about every message of a link; it answers how much later that arrives, None: never."""

    def __init__(self, context: EpochContext, budget: int) -> None:
        self._context, self.left = context, budget
        self._on_the_way: dict[int, dict[Slot, set[int]]] = defaultdict(lambda: defaultdict(set))  # by receiver
        self._changing: dict[int, set[int]] = defaultdict(set)  # view -> signers of its VIEWCHANGE
        self._held: dict[tuple[int, Slot], int] = {}  # receiver and slot -> until when
        self._cut: dict[int, int] = {}  # node -> until when
        self.last_ms = 0  # when it struck last

    def holds(self, sender: int, receiver: int, message: Message, now_ms: int) -> int | None:
        """How many ms the message is held back; None: lost, one of its ends is cut off."""
        if any(self._cut.get(node, 0) > now_ms for node in (sender, receiver)):
            return None
        match message:
            case Vote(phase, _, view, height, digest, signer):
                return self._vote(receiver, (phase, view, height, digest), signer, now_ms)
            case Proposal(view, block):
                own: Slot = Phase.PREPARE, view, block.header.height, header_digest(block.header)
                return self._vote(receiver, own, self._context.leader(view), now_ms)
            case CertificateMessage(certificate):
                slot = certificate.phase, certificate.view, certificate.height, certificate.digest
                return max(0, self._held.get((receiver, slot), 0) - now_ms)
            case ViewChange(summary) if self.left:
                self._sees_change(summary.view, summary.signer, now_ms)
            case NewView(_, view):
                self._changing.pop(view, None)
            case _:
                pass
        return 0

    def _strike(self, now_ms: int) -> None:
        self.left -= 1
        self.last_ms = now_ms

    def _vote(self, receiver: int, slot: Slot, signer: int, now_ms: int) -> int:
        """The receiver counts its own vote, so q - 1 of others complete its quorum."""
        signers = self._on_the_way[receiver][slot]
        signers.add(signer)
        if len(signers | {receiver}) < self._context.members.quorum:
            return 0
        if self.left and self._held.get((receiver, slot), 0) <= now_ms:
            self._strike(now_ms)
            self._held[receiver, slot] = now_ms + HOLD_MS
        return max(0, self._held.get((receiver, slot), 0) - now_ms)

    def _sees_change(self, view: int, signer: int, now_ms: int) -> None:
        """Enough change for a view to open: its leader is off the network just then."""
        signers = self._changing[view]
        signers.add(signer)
        leader = self._context.leader(view)
        if len(signers) > self._context.members.faulty and self._cut.get(leader, 0) <= now_ms:
            self._strike(now_ms)
            self._cut[leader] = now_ms + CUT_MS
            signers.clear()
