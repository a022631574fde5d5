"""What a measured system offers: it can be started and stopped, and has a door through which clients transfer."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple, Protocol

from benchmarks.peers.transfers import Transfer

ADDRESS: Final = "127.0.0.1"
READY_SECONDS: Final = 30.0

Duty = Literal["signatures", "byzantine", "replicas", "proofs"]
DUTIES: Final[tuple[Duty, ...]] = ("signatures", "byzantine", "replicas", "proofs")


class SystemFailed(Exception):
    """It did not start, or did not do what was asked of it."""


class Books(NamedTuple):
    """What a system holds after a load: all balances together, and how many orders."""

    total: int
    orders: int


class Client(Protocol):
    """Speaks to a running system. `bulk`: how many transfers one call carries; each of them stands for itself."""

    bulk: int

    async def transfer(self, transfers: Sequence[Transfer]) -> Sequence[bool]:
        """In the order given: whether it is done, durably.

        Raises: SystemFailed if nobody can say what became of them.
        """

    async def books(self) -> Books:
        """Read back from the system itself."""

    async def close(self) -> None: ...


class Door(Protocol):
    """Where a running system is found. Goes to the process that makes the load: plain data."""

    async def connect(self, accounts: int, outstanding: int) -> Client:
        """Accounts 0 to accounts - 1 hold OPENING each; made by the first call. Raises: SystemFailed."""


class System(Protocol):
    """One of the peers. `lacks`: what it does not do for its users and we do. `durability`: the settings behind "done,
    durably". `version`: "" until it runs."""

    name: str
    lacks: tuple[Duty, ...]
    durability: str
    version: str

    @property
    def missing(self) -> str:
        """"" where it can run, else what has to be installed."""

    def start(self, folder: Path) -> Door:
        """On free ports, with its data in this empty folder. Raises: SystemFailed."""

    def processes(self) -> Sequence[int]:
        """The ids of what was started; their children belong to them."""

    def stop(self) -> None:
        """Ends every process of it; also after a start that failed, also twice."""
