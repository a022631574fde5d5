"""What a strategy is: an attack as data, what must come of it, and where its member has to sit for it to bite."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from consensus.messages import Message
from simulation.parcels import Parcel
from simulation.villain import Outbox, Villain, carry, idle, listen, no_answer, pass_on


class Seat(StrEnum):
    """Where the traitors of a trial sit: there the attack hurts most."""

    FIRST = "first"  # they lead view 0, and with f > 1 the next ones
    NEXT = "next"  # an honest member leads view 0 and is cut off; they lead the views after it
    LAST = "last"  # honest members lead
    SYNC = "sync"  # they lead; an honest member is away for a while and has to catch up from them
    SYNC_LONG = "sync-long"  # the same, away once and for so long that nothing but catch-up helps


class Expect(StrEnum):
    """What a trial demands besides the rules of every run (safety, liveness, fairness, silence)."""

    EVIDENCE = "evidence"  # an honest node can prove to anybody what the traitor signed
    DEPOSED = "deposed"  # the honest leave the view of the traitor, within `ends_ms` of the first transaction
    UNMOVED = "unmoved"  # no honest node ever leaves view 0
    REFUSED = "refused"  # the link layer refuses what it sends, in front of every core


@dataclass(frozen=True)
class Strategy:
    """`attacks`: what it tries. `expects`: what comes of it in a trial. The functions: see `villain`."""

    attacks: str
    expects: frozenset[Expect] = frozenset()
    seat: Seat = Seat.FIRST
    ends_ms: int = 3_000  # three timeouts of one second (C7)
    blames: str = ""  # the rule with which an honest core must blame it, such as "C3"
    traffic_ms: int = 3_000  # how long clients go on in a trial
    perturb: Callable[[Villain, int, Message], Outbox] = pass_on  # what the own core sends
    carries: Callable[[Villain, int, Parcel], Outbox] = carry  # bodies and pieces of chain
    hears: Callable[[Villain, int, Parcel], bool] = listen  # False: the own machine never gets it
    answers: Callable[[Villain, Message], Outbox] = no_answer  # at once, to what another says
    forges: Callable[[Villain], Outbox] = idle  # out of nothing, every FORGE_MS
    forgets: bool = False  # its machine loses its disk again and again
    twin: bool = False  # a second machine runs under the same key
