"""etcd: three members that agree by Raft, and a client that compares before it writes.

etcd computes nothing. The client knows the balances, asks the leader to write the new ones if the old ones still stand
and nobody has the order, and learns the true ones if not. It locks accounts on its own side, so that its transfers do
not refuse each other.
"""

import asyncio
import importlib
import secrets
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen

from benchmarks.peers.programs import Program, missing_parts, program, version_of
from benchmarks.peers.systems import ADDRESS, Books, Client, Door, Duty, SystemFailed
from benchmarks.peers.transfers import OPENING, Transfer
from chainnode.listening_ports import free_ports

MEMBERS: Final = 3
_CHUNK: Final = 100  # operations of one transaction; etcd takes 128
_TRIES: Final = 5


class Etcd:
    """See systems.System."""

    name = "etcd"
    lacks: tuple[Duty, ...] = ("signatures", "byzantine", "proofs")
    durability = "write-ahead log synced by 2 of 3 members"

    def __init__(self) -> None:
        self.version = ""
        self._programs: Final = {"etcd": program("etcd")}
        self._members: Final[list[Program]] = []

    @property
    def missing(self) -> str:
        return missing_parts(self._programs, "etcd-server", ["aetcd"])

    def start(self, folder: Path) -> Door:
        path = str(self._programs["etcd"])
        ports = free_ports(2 * MEMBERS)
        urls = [f"http://{ADDRESS}:{port}" for port in ports]
        peers = urls[MEMBERS:]
        cluster = ",".join(f"m{i}={url}" for i, url in enumerate(peers))
        token = secrets.token_hex(8)
        for i, (url, peer) in enumerate(zip(urls, peers, strict=False)):
            command = [
                path, "--name", f"m{i}", "--data-dir", str(folder / f"m{i}"), "--listen-client-urls", url,
                "--advertise-client-urls", url, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                "--initial-cluster", cluster, "--initial-cluster-state", "new", "--initial-cluster-token", token,
                "--logger", "zap", "--log-level", "error",
            ]  # fmt: skip
            self._members.append(Program(command, folder / f"m{i}.log"))
        for member, url in zip(self._members, urls, strict=False):
            member.wait_until(lambda url=url: _is_healthy(url))  # type: ignore[misc]
        self.version = version_of(path)
        return EtcdDoor(tuple(ports[:MEMBERS]))

    def processes(self) -> Sequence[int]:
        return [member.pid for member in self._members]

    def stop(self) -> None:
        for member in self._members:
            member.stop()
        self._members.clear()


def _is_healthy(url: str) -> bool:
    """Whether this member has a leader."""
    try:
        with urlopen(f"{url}/health", timeout=1) as answer:  # noqa: S310  (our own loopback address)
            return b'"true"' in answer.read()
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class EtcdDoor:
    """See systems.Door."""

    ports: tuple[int, ...]

    async def connect(self, accounts: int, outstanding: int) -> Client:
        aetcd: Any = importlib.import_module("aetcd")
        server: Any = None
        try:
            for port in self.ports:  # the leader's: a follower would only pass everything on
                server = aetcd.Client(ADDRESS, port, timeout=30)
                await server.connect()
                status = await server.maintenancestub.Status(aetcd.rpc.StatusRequest())
                if status.leader == status.header.member_id:
                    break
                await server.close()
            client = _Comparing(server, accounts, aetcd)
            await client.open_accounts()
        except (aetcd.ClientError, OSError) as error:
            raise SystemFailed(f"etcd: {error}") from error
        return client


def _account(number: int) -> bytes:
    return b"a/%d" % number


class _Comparing:
    """See systems.Client."""

    bulk = 1

    def __init__(self, server: Any, accounts: int, aetcd: Any) -> None:
        self._server: Final = server
        self._aetcd: Final = aetcd
        self._balances: Final = [OPENING] * accounts  # as last heard
        self._locks: Final = [asyncio.Lock() for _ in range(accounts)]

    async def open_accounts(self) -> None:
        """Write those that are not there, and learn all balances."""
        put = self._server.transactions.put
        if await self._learn():
            return
        names = range(len(self._balances))
        for start in names[::_CHUNK]:
            puts = [put(_account(i), b"%d" % OPENING) for i in names[start : start + _CHUNK]]
            await self._server.transaction(compare=[], success=puts, failure=[])

    async def _learn(self) -> bool:
        """The balances of all accounts; False if there are none."""
        found = [(int(pair.key[2:]), int(pair.value)) for pair in await self._server.get_prefix(b"a/")]
        for account, balance in found:
            self._balances[account] = balance
        return bool(found)

    async def transfer(self, transfers: Sequence[Transfer]) -> Sequence[bool]:
        (transfer,) = transfers
        async with AsyncExitStack() as stack:
            for account in sorted((transfer.debit, transfer.credit)):
                await stack.enter_async_context(self._locks[account])
            try:
                for _ in range(_TRIES):
                    if self._balances[transfer.debit] < transfer.amount:
                        return [False]
                    if await self._written(transfer):
                        return [True]
            except (self._aetcd.ClientError, OSError) as error:
                raise SystemFailed(f"etcd: {error}") from error
        return [False]

    async def _written(self, transfer: Transfer) -> bool:
        """Whether the balances were as we knew them; if not, we know them afterwards."""
        order, debit, credit, amount, record = transfer
        ask, balances = self._server.transactions, self._balances
        after = {debit: balances[debit] - amount, credit: balances[credit] + amount}
        key = b"o/" + order.encode()
        succeeded, answers = await self._server.transaction(
            compare=[ask.version(key) == 0, *(ask.value(_account(i)) == b"%d" % balances[i] for i in after)],
            success=[
                *(ask.put(_account(i), b"%d" % balance) for i, balance in after.items()),
                ask.put(key, b"%d %d %d " % (debit, credit, amount) + record),
            ],
            failure=[ask.get(_account(i)) for i in after],
        )
        if succeeded:
            balances[debit], balances[credit] = after[debit], after[credit]
        else:
            for i, ((value, _),) in zip(after, answers, strict=True):
                balances[i] = int(value)
        return bool(succeeded)

    async def books(self) -> Books:
        await self._learn()
        request = self._aetcd.rpc.RangeRequest(key=b"o/", range_end=b"o0", count_only=True)
        return Books(sum(self._balances), int((await self._server.kvstub.Range(request, timeout=30)).count))

    async def close(self) -> None:
        await self._server.close()
