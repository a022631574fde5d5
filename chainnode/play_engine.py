"""What a scenario needs from a network: blocks, a clock that only the scenario moves, and answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from primitives.codes import Code
from primitives.receipt import Receipt

Plain = Any  # what a JSON writer takes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one transaction. `receipt` is None when it was refused before any block: there is no height."""

    code: Code
    detail: str = ""
    receipt: Receipt | None = None


class Engine(Protocol):
    """A network that began from the genesis which the runner built for it."""

    @property
    def height(self) -> int:
        """Of the last block."""
        ...

    @property
    def state_root(self) -> bytes:
        """Of the state after the last block."""
        ...

    def submit_block(self, transactions: Sequence[bytes]) -> list[Outcome]:
        """Commit these, in this order, as one block at the present second; one outcome for each.

        A transaction that no node would put into a block (undecodable, of another chain, badly signed, already
        executed) is refused alone; if nothing is left, no block is made.
        """
        ...

    def set_time(self, seconds: int) -> None:
        """Commit one empty block at this second. Raises: ValueError unless it is later than the last block's."""
        ...

    def query(self, name: str, of: str | None) -> Plain:
        """The answer as of the last block: plain JSON values, addresses as bech32m text. None: there is no such thing.

        Names: account, lots (of an address), exposure (of a merchant), obligations, window (of a window id or None),
        order (of "<merchant>/<order id>"), hold (of a hex id), class, supply (of a class id; supply of None: all),
        validators.
        """
        ...

    def violations(self) -> list[str]:
        """One sentence per broken invariant, recomputed from the state (INV-1 to INV-6, INV-9)."""
        ...
