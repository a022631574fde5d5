"""Redis: one server that syncs its append-only file before it answers, and a script that moves the points."""

import importlib
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.peers.programs import Program, missing_parts, program, version_of
from benchmarks.peers.systems import ADDRESS, DUTIES, Books, Client, Door, Duty, SystemFailed
from benchmarks.peers.transfers import OPENING, Transfer
from chainnode.listening_ports import free_ports

LANES: Final = 16  # connections; each carries a sixteenth of what is outstanding, as our own generator does
_CHUNK: Final = 1_000
_SCRIPT: Final = """
if tonumber(redis.call('GET', KEYS[1])) < tonumber(ARGV[1]) then return 0 end
if not redis.call('SET', KEYS[3], ARGV[2], 'NX') then return 0 end
redis.call('DECRBY', KEYS[1], ARGV[1])
redis.call('INCRBY', KEYS[2], ARGV[1])
return 1
"""


class Redis:
    """See systems.System."""

    name = "Redis"
    lacks: tuple[Duty, ...] = DUTIES
    durability = "appendonly yes, appendfsync always"

    def __init__(self) -> None:
        self.version = ""
        self._programs: Final = {"redis-server": program("redis-server")}
        self._server: Program | None = None
        self._password: Final = secrets.token_hex(16)  # others on this machine must not command the server

    @property
    def missing(self) -> str:
        return missing_parts(self._programs, "redis-server", ["redis", "hiredis"])

    def start(self, folder: Path) -> Door:
        path = str(self._programs["redis-server"])
        (port,) = free_ports(1)
        settings = folder / "redis.conf"
        settings.touch(0o600)
        settings.write_text(
            f'bind {ADDRESS}\nport {port}\nrequirepass {self._password}\ndir "{folder}"\nsave ""\n'
            "appendonly yes\nappendfsync always\ndaemonize no\n"
        )
        self._server = Program([path, str(settings)], folder / "log")
        self._server.wait_until(lambda: _answers(port))
        self.version = version_of(path)
        return RedisDoor(port, self._password)

    def processes(self) -> Sequence[int]:
        return [] if self._server is None else [self._server.pid]

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
            self._server = None


def _answers(port: int) -> bool:
    """Whether it takes commands: anything but "loading" (it wants a password, and says so)."""
    try:
        with socket.create_connection((ADDRESS, port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"-NOAUTH")
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class RedisDoor:
    """See systems.Door."""

    port: int
    password: str

    async def connect(self, accounts: int, outstanding: int) -> Client:
        redis: Any = importlib.import_module("redis.asyncio")
        errors: Any = importlib.import_module("redis.exceptions")
        server = redis.Redis(host=ADDRESS, port=self.port, password=self.password, max_connections=LANES + 1)
        try:
            if not await server.exists("a:0"):
                for start in range(0, accounts, _CHUNK):
                    await server.mset({f"a:{i}": OPENING for i in range(start, min(start + _CHUNK, accounts))})
                await server.set("accounts", accounts)
            script = await server.script_load(_SCRIPT)
        except (errors.RedisError, OSError) as error:
            raise SystemFailed(f"Redis: {error}") from error
        return _Pipelines(server, script, -(-outstanding // LANES), errors.RedisError)


class _Pipelines:
    """See systems.Client. A pipeline is no transaction: each transfer stands for itself."""

    def __init__(self, server: Any, script: str, bulk: int, errors: type[Exception]) -> None:
        self.bulk = bulk
        self._server: Final = server
        self._script: Final = script
        self._errors: Final = errors

    async def transfer(self, transfers: Sequence[Transfer]) -> Sequence[bool]:
        try:
            async with self._server.pipeline(transaction=False) as pipeline:
                for order, debit, credit, amount, record in transfers:
                    kept = b"%d %d %d " % (debit, credit, amount) + record
                    pipeline.evalsha(self._script, 3, f"a:{debit}", f"a:{credit}", f"o:{order}", amount, kept)
                return [answer == 1 for answer in await pipeline.execute(raise_on_error=False)]
        except (self._errors, OSError) as error:
            raise SystemFailed(str(error)) from error

    async def books(self) -> Books:
        accounts = int(await self._server.get("accounts"))
        total = 0
        for start in range(0, accounts, _CHUNK):
            keys = [f"a:{i}" for i in range(start, min(start + _CHUNK, accounts))]
            total += sum(int(value) for value in await self._server.mget(keys))
        return Books(total, await self._server.dbsize() - accounts - 1)

    async def close(self) -> None:
        await self._server.aclose()
