"""The tools of a Byzantine member: what it has heard, its pen, and the forms of its attacks.

A traitor runs a real core; a strategy perturbs what that says, adds to it, and chooses what it hears. It signs for
itself only. Accomplices share a Gang, all others share nothing.
"""

import random
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace

from consensus.epochs import EpochContext
from consensus.events import ALL
from consensus.messages import CertificateMessage, Message, NewView, Proposal, Summary, ViewChange, Vote
from consensus.view_change import base_of
from primitives.block import Block, Header, batches_root, header_digest
from primitives.certificate import Certificate, Phase
from primitives.hashing import Digest
from simulation.parcels import Parcel
from simulation.signatures import Sign

KEPT: Final = 64
FAR_VIEW: Final = 10**9
FAR_HEIGHT: Final = 10**12


class Letter(NamedTuple):
    """A parcel for one member or ALL, on its way after `delay_ms` more than the link takes."""

    receiver: int
    parcel: Parcel
    delay_ms: int = 0


Outbox = list[Letter]


class Gang:
    """What accomplices know in common: the second block of each slot, and who is to believe in it."""

    def __init__(self) -> None:
        self.forged: dict[tuple[int, int], Digest] = {}  # (view, height) -> the second block


class Villain:
    """One traitor. `view` and `now_ms` are those of its own machine at this moment, kept by the cluster."""

    def __init__(self, me: int, context: EpochContext, sign: Sign, draw: random.Random, gang: Gang) -> None:
        self.me, self.context, self.sign, self.draw, self.gang = me, context, sign, draw, gang
        self.view = 0
        self.now_ms = 0
        self.root_of: Callable[[Sequence[bytes]], Digest | None] = lambda digests: None  # tx_root, if bodies are here
        self.blocks: deque[tuple[int, Block]] = deque(maxlen=KEPT)  # (view, block) as proposed
        self.certificates: deque[Certificate] = deque(maxlen=KEPT)
        self.view_changes: dict[int, dict[int, ViewChange]] = {}
        self.said: deque[Message] = deque(maxlen=KEPT)
        self.slots: dict[tuple[int, int], Proposal] = {}  # what stands instead of an own proposal, by slot
        self.bodies: deque[bytes] = deque(maxlen=KEPT)  # batches that passed by, if its strategy keeps them
        self.times: dict[Digest, int] = {}  # time_ms of the blocks that were heard

    def learns(self, message: Message) -> None:
        """Keep what may be of use, of an own message too."""
        match message:
            case Proposal(view, block):
                self.blocks.append((view, block))
                self.times[header_digest(block.header)] = block.header.time_ms
                self._keep(block.certificate)
            case ViewChange(summary, certificate):
                if summary.view < FAR_VIEW:
                    self.view_changes.setdefault(summary.view, {})[summary.signer] = message
                self._keep(certificate)
            case NewView():
                self._keep(message.certificate)
            case CertificateMessage(certificate):
                self._keep(certificate)
            case _:
                pass

    def _keep(self, certificate: Certificate | None) -> None:
        if certificate is not None and certificate not in self.certificates:
            self.certificates.append(certificate)

    # The others.

    def others(self) -> list[int]:
        """Every other member."""
        return [node for node in self.context.members.nodes if node != self.me]

    def targets(self, receiver: int) -> list[int]:
        """The members that a letter to `receiver` reaches."""
        return self.others() if receiver == ALL else [receiver]

    def half(self) -> set[int]:
        """A random half of the others."""
        others = self.others()
        return set(self.draw.sample(others, len(others) // 2))

    def victim(self) -> int:
        """The one that is singled out: the last of the others."""
        return self.others()[-1]

    def turn(self, after: int) -> int:
        """The next view that it leads itself."""
        size = self.context.members.size
        return next(v for v in range(after + 1, after + 1 + size) if self.context.leader(v) == self.me)

    def newest(self) -> Block | None:
        """The highest block that was proposed."""
        return max((block for _, block in self.blocks), key=lambda block: block.header.height, default=None)

    # The pen.

    def vote(self, phase: Phase, view: int, height: int, digest: bytes, epoch: int | None = None) -> Vote:
        """An own vote for anything."""
        draft = Vote(phase, self.context.epoch if epoch is None else epoch, view, height, digest, self.me, bytes(64))
        return replace(draft, signature=self.sign(self.context.signed_vote_bytes(draft)))

    def proposal(self, view: int, block: Block) -> Proposal:
        """An own proposal of anything in any view."""
        draft = Proposal(view, block, bytes(64))
        return replace(draft, signature=self.sign(self.context.proposal_bytes(draft, header_digest(block.header))))

    def view_change(self, view: int, certificate: Certificate | None, honest: Summary | None = None) -> ViewChange:
        """An own VIEWCHANGE with any certificate."""
        base = base_of(certificate, self.context)
        tip = (base.rank.height, base.digest) if honest is None else (honest.tip_height, honest.tip_digest)
        summary = Summary(
            self.context.epoch, view, base.rank.view, base.rank.height, base.digest, *tip, self.me, bytes(64)
        )
        return ViewChange(self.signed(summary), certificate)

    def signed(self, summary: Summary) -> Summary:
        """The summary under this key."""
        mine = replace(summary, signer=self.me)
        return replace(mine, signature=self.sign(self.context.summary_bytes(mine)))

    def new_view(self, view: int, chosen: Sequence[ViewChange], certificate: Certificate | None) -> NewView:
        """An own NEWVIEW of any summaries with any certificate."""
        draft = NewView(self.context.epoch, view, tuple(m.summary for m in chosen), certificate, bytes(64))
        return replace(draft, signature=self.sign(self.context.new_view_bytes(draft)))

    def noise(self) -> Digest:
        """A digest of nothing."""
        return Digest(self.draw.randbytes(32))

    def alternative(self, block: Block) -> Block:
        """Another block for the same height: most often one that an honest replica would accept."""
        header = block.header
        twisted: list[Header] = [
            replace(header, time_ms=header.time_ms + 1),
            replace(header, time_ms=header.time_ms + 2),
            replace(header, state_root=self.noise()),
            replace(header, tx_root=self.noise()),
            replace(header, parent=self.noise()),
            replace(header, exec_height=max(0, header.exec_height - 1)),
            replace(header, time_ms=header.time_ms + 60_000),
        ]
        choice = self.draw.choices(range(len(twisted) + 2), weights=(8, 4, 1, 1, 1, 1, 1, 1, 1))[0]
        if choice >= len(twisted):  # other batches: fewer, or one that nobody has
            turned = tuple(reversed(block.batch_digests))[1:] if choice == len(twisted) else (self.noise(),)
            return with_batches(block, turned)
        return replace(block, header=twisted[choice])

    def rival(self, view: int, height: int, digest: bytes) -> Digest | None:
        """Another block that was proposed for the slot."""
        forged = self.gang.forged.get((view, height))
        if forged is not None and forged != digest:
            return forged
        for seen_view, block in self.blocks:
            if (seen_view, block.header.height) == (view, height) and header_digest(block.header) != digest:
                return header_digest(block.header)
        return None


def with_batches(block: Block, digests: Sequence[bytes]) -> Block:
    """The block with other batches, its tx_root left as it was."""
    header = replace(block.header, batches_root=batches_root(digests))
    return replace(block, header=header, batch_digests=tuple(digests))


# The defaults of a strategy: what an honest member does.


def pass_on(villain: Villain, receiver: int, message: Message) -> Outbox:
    """Send what the own core says."""
    del villain
    return [Letter(receiver, message)]


def carry(villain: Villain, receiver: int, parcel: Parcel) -> Outbox:
    """Send what the own shell says."""
    del villain
    return [Letter(receiver, parcel)]


def idle(villain: Villain) -> Outbox:
    """Add nothing."""
    del villain
    return []


def no_answer(villain: Villain, message: Message) -> Outbox:
    """Add nothing to what was just heard."""
    del villain, message
    return []


def listen(villain: Villain, sender: int, parcel: Parcel) -> bool:
    """Let the own machine hear everything."""
    del villain, sender, parcel
    return True
