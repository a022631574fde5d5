"""What is held per (view, height): one proposal, one vote per signer and phase, the certificate (S1, S12)."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from consensus.messages import Proposal, Vote
from primitives.certificate import Certificate, Phase, build_certificate
from primitives.hashing import Digest
from primitives.keys import Signature
from primitives.validators import Height, NodeId, View


@dataclass(slots=True)
class Slot:
    """Invariant: votes(phase)[signer] is the first vote of that signer; another one is evidence and does not count."""

    view: View
    height: Height
    proposal: Proposal | None = None
    digest: Digest | None = None  # of the proposal
    prepares: dict[NodeId, Vote] = field(default_factory=dict)
    commits: dict[NodeId, Vote] = field(default_factory=dict)
    prepared: Certificate | None = None
    commit_certified: bool = False

    def votes(self, phase: Phase) -> dict[NodeId, Vote]:
        """The votes of one phase by signer."""
        return self.prepares if phase is Phase.PREPARE else self.commits

    def named(self, phase: Phase) -> Iterator[bytes]:
        """The blocks that proposal, certificate and votes of one phase speak for: one, unless somebody lies."""
        yield from (vote.digest for vote in self.votes(phase).values())
        if phase is Phase.PREPARE and self.digest is not None:
            yield self.digest
        if phase is Phase.PREPARE and self.prepared is not None:
            yield self.prepared.digest

    def certified(self, phase: Phase) -> bool:
        """Whether votes of this phase have made their certificate: those that still come change nothing."""
        return self.prepared is not None if phase is Phase.PREPARE else self.commit_certified

    def certificate(self, phase: Phase, epoch: int, digest: bytes, quorum: int) -> Certificate | None:
        """The certificate for `digest` as soon as q signers voted for it (C16), else None."""
        votes = self.votes(phase)
        if len(votes) < quorum:
            return None
        signatures: dict[int, Signature] = {
            vote.signer: Signature(vote.signature) for vote in votes.values() if vote.digest == digest
        }
        if len(signatures) < quorum:
            return None
        return build_certificate(phase, epoch, self.view, self.height, digest, signatures, quorum)


class SlotTable:
    """Slots by (view, height). Callers open one only inside the windows of S12, which bounds the table."""

    def __init__(self) -> None:
        self._slots: dict[tuple[View, Height], Slot] = {}
        self._ordered: dict[int, list[Slot]] = {}  # the slots of each view in height order, made when asked for

    def __len__(self) -> int:
        return len(self._slots)

    def __iter__(self) -> Iterator[Slot]:
        return iter(tuple(self._slots.values()))

    def get(self, view: int, height: int) -> Slot | None:
        """The slot if anything is held for it."""
        return self._slots.get((view, height))  # type: ignore[arg-type]

    def open(self, view: int, height: int) -> Slot:
        """The slot, made if needed."""
        slot = self.get(view, height)
        if slot is None:
            key = (View(view), Height(height))
            slot = self._slots[key] = Slot(*key)
            self._ordered.pop(view, None)
        return slot

    def of_view(self, view: int) -> Iterator[Slot]:
        """The slots of one view in height order; those that are opened while you look are not among them."""
        found = self._ordered.get(view)
        if found is None:
            found = sorted((s for s in self._slots.values() if s.view == view), key=lambda s: s.height)
            self._ordered[view] = found
        return iter(found)

    def views_at(self, height: int) -> list[View]:
        """The views in which something is held for the height, ascending."""
        return sorted(slot.view for slot in self._slots.values() if slot.height == height)

    def digests(self) -> set[Digest]:
        """The blocks that the held proposals and certificates name."""
        named = {slot.digest for slot in self._slots.values() if slot.digest is not None}
        return named | {Digest(slot.prepared.digest) for slot in self._slots.values() if slot.prepared is not None}

    def prune(self, view_floor: int, decided: int) -> None:
        """Forget views below the floor and heights that are decided."""
        self._slots = {k: s for k, s in self._slots.items() if s.view >= view_floor and s.height > decided}
        self._ordered.clear()
