"""A Byzantine machine: its core and shell are those of everybody, a strategy stands between them and the network."""

import random
from typing import Final

from msgspec.structs import replace

from consensus.epochs import EpochContext
from consensus.messages import Message as ConsensusMessage
from consensus.messages import NewView, Proposal, Status, ViewChange, Vote
from simulation.node import Node
from simulation.parcels import Parcel
from simulation.plan import Plan
from simulation.roles import Role
from simulation.signatures import Sign
from simulation.strategies.catalogue import STRATEGIES
from simulation.villain import Gang, Letter, Outbox, Villain

FORGE_MS: Final = 300
FORGETTING_MS: Final = 1_500


class Traitor:
    """Everything that its machine sends and hears goes through here."""

    def __init__(self, plan: Plan, number: int, role: Role, villain: Villain) -> None:
        self.strategy = STRATEGIES[role]
        self.number, self.role, self.villain = number, role, villain
        self.heal_ms = plan.heal_ms
        self.acts = 0  # letters that an honest machine would not have sent, or sent otherwise

    def at(self, view: int, now_ms: int) -> None:
        """Where its machine stands now; tell it before anything else."""
        self.villain.view, self.villain.now_ms = view, now_ms

    def sends(self, receiver: int, parcel: Parcel) -> Outbox:
        """What goes out instead of what its machine wants to send."""
        if not isinstance(parcel, ConsensusMessage):
            letters = self.strategy.carries(self.villain, receiver, parcel)
        else:
            self.villain.learns(parcel)
            self.villain.said.append(parcel)
            letters = self.strategy.perturb(self.villain, receiver, parcel)
        self.acts += letters != [Letter(receiver, parcel)]
        return letters

    def hears(self, sender: int, parcel: Parcel) -> Parcel | None:
        """What its machine gets of what arrived; None: nothing.

        A traitor's core does not ask whether somebody else signs with its key, and nobody tells it what it forgot (S9).
        """
        if isinstance(parcel, ConsensusMessage):
            self.villain.learns(parcel)
            if self._speaks_for_itself(parcel):
                return None
            if isinstance(parcel, Status):
                me = self.villain.me
                parcel = replace(parcel, seen=tuple(place for place in parcel.seen if place[0] != me))
        if self.strategy.hears(self.villain, sender, parcel):
            return parcel
        self.acts += 1
        return None

    def _speaks_for_itself(self, message: ConsensusMessage) -> bool:
        """Whether another relays what carries this traitor's own signature."""
        me, context = self.villain.me, self.villain.context
        match message:
            case Vote():
                return message.signer == me
            case ViewChange():
                return message.summary.signer == me
            case Proposal() | NewView():
                return context.leader(message.view) == me
            case _:
                return False

    def answers(self, parcel: Parcel) -> Outbox:
        """What it says at once to what arrived."""
        letters = [] if not isinstance(parcel, ConsensusMessage) else self.strategy.answers(self.villain, parcel)
        self.acts += len(letters)
        return letters

    def forges(self) -> Outbox:
        """What it says out of nothing; ask every FORGE_MS."""
        letters = self.strategy.forges(self.villain)
        self.acts += len(letters)
        return letters

    def forgets(self, node: Node) -> bool:
        """Lose power and the whole disk, about every FORGETTING_MS until healing; True if it happened now."""
        now = self.villain.now_ms
        if (
            not self.strategy.forgets
            or now >= self.heal_ms
            or now // FORGETTING_MS == (now - FORGE_MS) // FORGETTING_MS
        ):
            return False
        self.acts += 1
        if node.up:
            node.crash()
            node.wipe()
            node.start()
        return True


def gangs(plan: Plan) -> dict[int, Gang]:
    """One gang for all accomplices of a plan, one of its own for every other traitor."""
    shared = Gang()
    return {node: shared if role is Role.COLLUDE else Gang() for node, role in plan.byzantine.items()}


def villain_of(plan: Plan, number: int, identity: int, context: EpochContext, sign: Sign, gang: Gang) -> Villain:
    """The tools of one machine of a traitor."""
    return Villain(identity, context, sign, random.Random(f"{plan.seed}/villain/{number}"), gang)
