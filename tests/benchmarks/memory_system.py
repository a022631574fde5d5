"""A system of the comparison that lives in the process of the load: without a disk, a socket or a program."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.systems import Books, Client, Door, Duty, SystemFailed
from benchmarks.peers.transfers import OPENING, Transfer


class MemoryClient:
    """Answers each call after `seconds`. Remembers how many transfers were in the air at most."""

    def __init__(self, accounts: int, bulk: int, seconds: float) -> None:
        self.bulk = bulk
        self.seconds = seconds
        self.balances = [OPENING] * accounts
        self.orders: dict[str, bytes] = {}
        self.in_air = self.most_in_air = 0

    async def transfer(self, transfers: Sequence[Transfer]) -> Sequence[bool]:
        self.in_air += len(transfers)
        self.most_in_air = max(self.most_in_air, self.in_air)
        await asyncio.sleep(self.seconds)
        self.in_air -= len(transfers)
        for transfer in transfers:
            self.balances[transfer.debit] -= transfer.amount
            self.balances[transfer.credit] += transfer.amount
            self.orders[transfer.order] = transfer.record
        return [True] * len(transfers)

    async def books(self) -> Books:
        return Books(sum(self.balances), len(self.orders))

    async def close(self) -> None:
        pass


@dataclass(frozen=True)
class MemoryDoor:
    fails: bool = False

    async def connect(self, accounts: int, outstanding: int) -> Client:
        if self.fails:
            raise SystemFailed("the door is shut")
        return MemoryClient(accounts, 1, 0.001)


class MemorySystem:
    """`name` is that of the system it stands for. `diary`: what happened to it, together with others."""

    lacks: tuple[Duty, ...] = ("proofs",)
    durability = "none"
    version = "1"

    def __init__(self, name: str, diary: list[str], missing: str = "", fails: bool = False) -> None:
        self.name = name
        self.missing = missing
        self._diary = diary
        self._fails = fails

    def start(self, folder: Path) -> Door:
        assert folder.is_dir() and not list(folder.iterdir())
        self._diary.append(self.name)
        return MemoryDoor(self._fails)

    def processes(self) -> Sequence[int]:
        return []

    def stop(self) -> None:
        self._diary.append(f"{self.name} stops")
