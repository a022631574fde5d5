"""What a simulated node is and survives every crash, and who hears what it does."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final, Protocol

from chainnode.clock import WallClock
from chainnode.membership import Place
from consensus.events import Decided, Effects, Event
from consensus.evidence import Evidence
from consensus.journal_records import JournalRecord
from consensus.messages import Message
from consensus.replica import Replica
from ledger.failures import FatalError
from primitives.certificate import Certificate
from primitives.keys import PublicKey, Signature, SigningKey
from simulation.stored import Stored

OBSERVERS_FROM: Final = 100  # number of the link to identity 0 if that has no seat
_NAME: Final = "node"


def name_of(identity: int) -> str:
    """The name of a member, whatever its seat."""
    return f"{_NAME}{identity}"


def number_of(name: str) -> int:
    """The identity of a name; -1 for a free seat."""
    digits = name.removeprefix(_NAME)
    return int(digits) if digits.isdigit() else -1


class NodeClock(WallClock):
    """The wall clock of one node."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms: Final = now_ms

    def now_ms(self) -> int:
        """See WallClock."""
        return self._now_ms()


class Watcher(Protocol):
    """Hears everything that the rules speak about; raises AssertionError when one is broken."""

    def running(self) -> Collection[int]:
        """Identities whose machines are switched on."""
        ...

    def started(self, node: int, kept: list[JournalRecord], height: int) -> None:
        """A node begins with these durable records and this ledger."""
        ...

    def synced(self, node: int, records: list[JournalRecord]) -> None:
        """Records became durable."""
        ...

    def sends(self, node: int, receiver: int, message: Message) -> None:
        """A node wants this message of consensus on the wire."""
        ...

    def stepped(self, node: int, replica: Replica, event: Event, effects: Effects) -> None:
        """One step of a core."""
        ...

    def decided(self, node: int, decided: Decided) -> None:
        """A core decided."""
        ...

    def executed(self, node: int, stored: Stored) -> None:
        """A decided block is in the ledger."""
        ...

    def rejected(self, node: int, sender: int, reason: str) -> None:
        """What came from `sender` is a lie: a node of the product ends the link."""
        ...

    def blamed(self, node: int, other: int, reason: str) -> None:
        """A node found that another one broke a rule."""
        ...

    def accused(self, node: int, other: int, evidence: Evidence) -> None:
        """A node holds a proof against another one."""
        ...

    def forked(self, node: int, certificate: Certificate) -> None:
        """A node holds a certificate against its own chain."""
        ...

    def turned(self, node: int, place: Place) -> None:
        """A node starts, or begins an epoch."""
        ...

    def stopped(self, node: int, failure: FatalError) -> None:
        """A node's process ended by itself."""
        ...


@dataclass(frozen=True)
class Machine:
    """Identity, keys and hardware."""

    number: int  # of the machine; a twin has another one than its identity
    identity: int
    keys: tuple[SigningKey, ...]
    verify: Callable[[PublicKey, bytes, Signature], bool]
    sync_ms: int
    execution_ms: int
    tick_ms: int
    rotate_bytes: int
    skew_ms: int
    drift_permille: int
