"""PostgreSQL: one server, a function that moves the points, and a pool of prepared connections."""

import asyncio
import importlib
import os
import secrets
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.peers.programs import Program, missing_parts, program, unprivileged, version_of
from benchmarks.peers.systems import ADDRESS, DUTIES, Books, Client, Door, Duty, SystemFailed
from benchmarks.peers.transfers import OPENING, Transfer
from chainnode.listening_ports import free_ports

CONNECTIONS: Final = 64  # more of them only wait for each other; a pooler in front of the server does the same
_BINARIES: Final = "/usr/lib/postgresql/*/bin"
_SETTINGS: Final = {
    "fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "shared_buffers": "256MB",
    "max_wal_size": "4GB", "max_connections": str(CONNECTIONS + 10), "listen_addresses": ADDRESS,
    "unix_socket_directories": "", "autovacuum": "on", "jit": "off",
}  # fmt: skip
# Rows are locked in the order of their ids: two transfers over the same pair never wait for each other in a circle.
_SCHEMA: Final = """
CREATE TABLE accounts (id int PRIMARY KEY, balance bigint NOT NULL CHECK (balance >= 0)) WITH (fillfactor = 50);
CREATE TABLE orders (id text PRIMARY KEY, debit int NOT NULL, credit int NOT NULL, amount bigint NOT NULL,
                     record bytea NOT NULL);
CREATE FUNCTION transfer(o text, d int, c int, n bigint, r bytea) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO orders VALUES (o, d, c, n, r);
  IF d < c THEN
    UPDATE accounts SET balance = balance - n WHERE id = d;
    UPDATE accounts SET balance = balance + n WHERE id = c;
  ELSE
    UPDATE accounts SET balance = balance + n WHERE id = c;
    UPDATE accounts SET balance = balance - n WHERE id = d;
  END IF;
END $$;
"""


class PostgreSQL:
    """See systems.System."""

    name = "PostgreSQL"
    lacks: tuple[Duty, ...] = DUTIES
    durability = "fsync = on, synchronous_commit = on"

    def __init__(self) -> None:
        self.version = ""
        self._programs: Final = {name: program(name, _BINARIES) for name in ("postgres", "initdb")}
        self._server: Program | None = None
        self._password: Final = secrets.token_hex(16)  # others on this machine must not command the server

    @property
    def missing(self) -> str:
        return missing_parts(self._programs, "postgresql", ["asyncpg"])

    def start(self, folder: Path) -> Door:
        postgres, initdb = (str(self._programs[name]) for name in ("postgres", "initdb"))
        user = unprivileged()
        secret, data = folder / "password", folder / "data"
        secret.touch(0o600)
        secret.write_text(self._password)
        if user is not None:
            os.chown(folder, user.pw_uid, user.pw_gid)
            os.chown(secret, user.pw_uid, user.pw_gid)
        make = Program(
            [initdb, "-D", str(data), "-U", "bench", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C",
             f"--pwfile={secret}"],
            folder / "initdb.log", user,
        )  # fmt: skip
        try:
            make.wait_done()
        finally:
            make.stop()
        (port,) = free_ports(1)
        settings = [f"-c{name}={value}" for name, value in _SETTINGS.items()]
        self._server = Program([postgres, "-D", str(data), f"-p{port}", *settings], folder / "log", user)
        ready = data / "postmaster.pid"
        self._server.wait_until(lambda: ready.is_file() and ready.read_text().rstrip().endswith("ready"))
        self.version = version_of(postgres)
        return PostgreSQLDoor(port, self._password)

    def processes(self) -> Sequence[int]:
        return [] if self._server is None else [self._server.pid]

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop(signal.SIGINT)  # a fast shutdown: clients are cut off
            self._server = None


@dataclass(frozen=True, slots=True)
class PostgreSQLDoor:
    """See systems.Door."""

    port: int
    password: str

    async def connect(self, accounts: int, outstanding: int) -> Client:
        asyncpg: Any = importlib.import_module("asyncpg")
        where = {"host": ADDRESS, "port": self.port, "user": "bench", "password": self.password, "timeout": 30,
                 "database": "postgres"}  # fmt: skip
        connections = []
        try:
            for _ in range(min(CONNECTIONS, outstanding)):
                connections.append(await asyncpg.connect(**where))
            first = connections[0]
            if await first.fetchval("SELECT to_regclass('accounts')") is None:
                await first.execute(_SCHEMA)
                await first.execute("INSERT INTO accounts SELECT i, $1 FROM generate_series(0, $2::int - 1) i",
                                    OPENING, accounts)  # fmt: skip
                await first.execute("VACUUM ANALYZE")
                await first.execute("CHECKPOINT")
            return _Pool([(c, await c.prepare("SELECT transfer($1, $2, $3, $4, $5)")) for c in connections],
                         asyncpg.PostgresError)
        except (asyncpg.PostgresError, OSError) as error:
            raise SystemFailed(f"PostgreSQL: {error}") from error


class _Pool:
    """See systems.Client. Whoever waits longest has the next connection."""

    bulk = 1

    def __init__(self, connections: list[tuple[Any, Any]], errors: type[Exception]) -> None:
        self._all: Final = connections
        self._idle: Final = [statement for _, statement in connections]
        self._free: Final = asyncio.Semaphore(len(connections))
        self._errors: Final = errors

    async def transfer(self, transfers: Sequence[Transfer]) -> Sequence[bool]:
        (transfer,) = transfers
        async with self._free:
            statement = self._idle.pop()
            try:
                await statement.fetchval(*transfer)
            except self._errors:
                return [False]
            except (OSError, EOFError) as error:
                raise SystemFailed(f"PostgreSQL: {error}") from error
            finally:
                self._idle.append(statement)
        return [True]

    async def books(self) -> Books:
        connection = self._all[0][0]
        row = await connection.fetchrow("SELECT (SELECT sum(balance) FROM accounts), (SELECT count(*) FROM orders)")
        return Books(int(row[0]), row[1])

    async def close(self) -> None:
        for connection, _ in self._all:
            await connection.close(timeout=5)
