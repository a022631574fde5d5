"""Votes wait here unverified until enough of them are there to matter, and are then verified together.

A certificate needs q votes, so the ones behind them are not worth their check: of those only the highest of each signer
is verified now and then, so that what this node has seen of everybody's key does not fall behind (pitfall 44). What
contradicts another vote is looked at in the same turn: it is evidence. Nothing waits longer than two ticks.
"""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from chainnode.signatures import VerifyAll
from consensus.epochs import EpochContext
from consensus.messages import Vote
from primitives.keys import Signature
from primitives.transaction import SignatureCheck
from primitives.validators import NodeId

SURPLUS_TICKS: Final = 64  # how often votes that nobody needed are verified after all
TOGETHER_MAX: Final = 32  # votes verified in one go; who forged one of them is not heard on the rest

Waiting = tuple[NodeId, Vote]  # who carried it, and the vote
Place = tuple[int, int, int]  # phase, view, height


class Core(Protocol):
    """What the desk asks the replica."""

    def votes_missing(self, vote: Vote) -> int | None:
        """See Replica."""
        ...


class VoteDesk:
    """Bounded: per place one vote more than there are members, places as far as the core keeps votes."""

    def __init__(
        self, verify_all: VerifyAll, context: Callable[[], EpochContext], on_forged: Callable[[NodeId, str], None]
    ) -> None:
        """on_forged(sender, sentence): it carried a vote whose signature is wrong."""
        self._verify_all: Final = verify_all
        self._context: Final = context
        self._on_forged: Final = on_forged
        self._waiting: Final[dict[Place, list[Waiting]]] = {}
        self._surplus: dict[tuple[int, int, int], Waiting] = {}  # by carrier, signer and phase
        self._seen: set[Place] = set()  # waited at the last tick already
        self._overdue: set[Place] = set()
        self._ticks = 0

    def take(self, sender: NodeId, vote: Vote, missing: int | None) -> bool:
        """A vote of a member of this epoch (verification.vote_fault), of whatever signature. `missing`: what the core
        says of it; None: it wants it at once. Whether a turn would find something due: fewer votes than are missing
        wait for the next one, or for the turn in which fewer are missing."""
        place = vote.phase, vote.view, vote.height
        votes = self._waiting.setdefault(place, [])
        votes.append((sender, vote))
        if missing is None:
            self._overdue.add(place)
        return missing is None or 0 < missing <= len(votes) or self._is_odd(place, votes)

    def tick(self) -> None:
        """Time passes: what waited at the last tick already is due now."""
        self._overdue |= self._seen & self._waiting.keys()
        self._seen = set(self._waiting)
        self._ticks += 1

    def clear(self) -> None:
        """Another epoch: all votes are void (S11)."""
        self._waiting.clear()
        self._surplus.clear()
        self._seen.clear()
        self._overdue.clear()

    def due(self, core: Core) -> list[Waiting]:
        """The votes that matter now and are genuine; each is given once. Empty: nothing is due."""
        chosen: list[Waiting] = []
        if self._ticks >= SURPLUS_TICKS:
            self._ticks = 0
            chosen, self._surplus = list(self._surplus.values()), {}
        while True:
            for place in list(self._waiting):
                chosen += self._chosen(core, place)
            self._overdue.clear()
            genuine = self._genuine(chosen) if chosen else []
            if genuine or not chosen:
                return genuine
            chosen = []  # all forged: others may take their places

    def _chosen(self, core: Core, place: Place) -> list[Waiting]:
        """Those of one place that are to be verified now; they no longer wait."""
        votes = self._waiting[place]
        missing = None if self._is_odd(place, votes) else core.votes_missing(votes[0][1])
        if missing is None:
            return self._waiting.pop(place)
        if missing == 0:
            del self._waiting[place]
            for sender, vote in votes:
                self._keep_surplus(sender, vote)
            return []
        first: dict[int, Waiting] = {}
        for one in votes:
            first.setdefault(one[1].signer, one)
        if len(first) < missing:
            return []
        taken = list(first.values())[:missing]
        self._waiting[place] = [one for one in votes if one not in taken]
        if not self._waiting[place]:
            del self._waiting[place]
        return taken

    def _is_odd(self, place: Place, votes: Sequence[Waiting]) -> bool:
        """Votes that contradict each other, more than there are members, or older than two ticks."""
        digest = votes[0][1].digest
        differ = any(vote.digest != digest for _, vote in votes)
        return differ or place in self._overdue or len(votes) > self._context().members.size

    def _keep_surplus(self, sender: NodeId, vote: Vote) -> None:
        key = sender, vote.signer, vote.phase
        held = self._surplus.get(key)
        if held is None or (held[1].view, held[1].height) < (vote.view, vote.height):
            self._surplus[key] = sender, vote

    def _genuine(self, votes: Sequence[Waiting]) -> list[Waiting]:
        genuine: list[Waiting] = []
        forgers: set[NodeId] = set()
        for start in range(0, len(votes), TOGETHER_MAX):
            group = [one for one in votes[start : start + TOGETHER_MAX] if one[0] not in forgers]
            for (sender, vote), good in zip(group, self._verify_all(self._checks(group)), strict=True):
                if good:
                    genuine.append((sender, vote))
                elif sender not in forgers:
                    forgers.add(sender)
                    self._on_forged(sender, f"S1: a wrong signature of node {vote.signer} on a vote")
        if forgers:
            self._forget(forgers)
        return genuine

    def _checks(self, votes: Sequence[Waiting]) -> list[SignatureCheck]:
        context = self._context()
        return [
            SignatureCheck(
                context.key_of(vote.signer), context.signed_vote_bytes(vote), Signature(vote.signature)
            )
            for _, vote in votes
        ]  # fmt: skip

    def _forget(self, senders: set[NodeId]) -> None:
        """Their links are closed: what they carried before that costs nothing more."""
        for place, votes in list(self._waiting.items()):
            kept = [one for one in votes if one[0] not in senders]
            if kept:
                self._waiting[place] = kept
            else:
                del self._waiting[place]
