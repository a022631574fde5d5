"""The node's own configuration: one TOML file beside its keys. What must be equal on all nodes is in genesis."""

import os
import stat
import tomllib
from pathlib import Path
from typing import Annotated, Final, Literal, dataclass_transform

import msgspec

from chainnode.eight_lanes import Lanes
from chainnode.failures import BadConfiguration
from ledger.leveldb import MAPPED_MIB, MAPPED_MIB_MAX, MAPPED_MIB_MIN

CONFIG_BYTES_MAX: Final = 64 * 1024
SECRET_HEX_CHARS: Final = 64

Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the file: an unknown field is refused with its path, never a silent default."""


class PeerSection(_Section, kw_only=True):
    """Where other validators connect to."""

    host: str = "127.0.0.1"
    port: Port


class HttpSection(_Section, kw_only=True):
    """The public API. Rates are requests per second and address, with a burst of twice that; 0 = off. `reads` scoped:
    accounts, orders and books are shown to those whom they concern (read_scopes.py)."""

    host: str = "127.0.0.1"
    port: Port
    connections: Annotated[int, msgspec.Meta(ge=1)] = 256
    connections_per_address: Annotated[int, msgspec.Meta(ge=1)] = 64
    rate_per_address: Annotated[int, msgspec.Meta(ge=0)] = 500
    allowed_hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]")
    reads: Literal["open", "scoped"] = "open"


class AdminSection(_Section, kw_only=True):
    """The admin listener: loopback only. `token` names a file of mode 0600 that holds 64 hex digits."""

    host: str = "127.0.0.1"
    port: Port
    token: str


class IngressSection(_Section, kw_only=True):
    """The framed binary listener for gateways and benchmarks."""

    host: str = "127.0.0.1"
    port: Port


class NodeConfig(_Section, kw_only=True):
    """Paths are relative to the file. `peers` maps every other validator's name in genesis to "host:port"."""

    name: str
    genesis: str
    data: str
    vote_key: str
    transport_key: str
    peer: PeerSection
    http: HttpSection
    admin: AdminSection
    ingress: IngressSection | None = None
    peers: dict[str, str] = {}
    reconnect_ms_max: Annotated[int, msgspec.Meta(ge=100)] = 5000
    pool_transactions: Annotated[int, msgspec.Meta(ge=1)] = 100_000
    pool_bytes: Annotated[int, msgspec.Meta(ge=65536)] = 64 * 1024 * 1024
    sender_transactions: Annotated[int, msgspec.Meta(ge=1)] = 20_000
    lanes: Lanes = "auto"  # eight signatures at a time: where possible, never, or not without it
    log_level: str = "info"
    ledger_mapped_mib: Annotated[int, msgspec.Meta(ge=MAPPED_MIB_MIN, le=MAPPED_MIB_MAX)] = MAPPED_MIB
    snapshot_every_blocks: Annotated[int, msgspec.Meta(ge=0)] = 0  # 0: only when the operator asks
    prune_keep_blocks: Annotated[int, msgspec.Meta(ge=0)] = 0  # of history; 0: all of it
    check_invariants_blocks: Annotated[int, msgspec.Meta(ge=0)] = 0  # after so many; test networks only, 0: never
    observer: bool = False  # may run without a seat: validators take its links, and it catches up, once it has one
    directory: str = ""  # where the file lies; set by load_config, never written


def load_config(path: Path) -> NodeConfig:
    """The configuration of a file, its paths made absolute.

    Raises: BadConfiguration with the field's path, its value and what is expected.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise BadConfiguration(f"{path}: {error.strerror}") from error
    if len(raw) > CONFIG_BYTES_MAX:
        raise BadConfiguration(f"{path}: {len(raw)} bytes, limit {CONFIG_BYTES_MAX}")
    try:
        config = msgspec.convert(tomllib.loads(raw.decode()), NodeConfig)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise BadConfiguration(f"{path}: {error}") from error
    home = path.resolve().parent
    for name in ("genesis", "data", "vote_key", "transport_key"):
        config = msgspec.structs.replace(config, **{name: str(home / getattr(config, name))})
    admin = msgspec.structs.replace(config.admin, token=str(home / config.admin.token))
    return msgspec.structs.replace(config, admin=admin, directory=str(home))


def config_text(config: NodeConfig) -> str:
    """The TOML of a configuration; load_config reads it back."""
    plain = msgspec.to_builtins(config)
    del plain["directory"]
    scalars = {k: v for k, v in plain.items() if not isinstance(v, dict) and v is not None}
    tables = {k: v for k, v in plain.items() if isinstance(v, dict)}
    lines = [f"{key} = {_toml(value)}" for key, value in scalars.items()]
    for title, table in tables.items():
        lines += ["", f"[{title}]", *(f"{_key(key)} = {_toml(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"


def write_config(path: Path, config: NodeConfig) -> None:
    """Writes a new file; FileExistsError if there is one."""
    with open(path, "x", encoding="utf-8") as file:
        file.write(config_text(config))


def read_secret(path: str, what: str) -> bytes:
    """The 32 bytes of a file of 64 hex digits that only its owner may read.

    Raises: BadConfiguration if it is missing, open to others, or of another length. Never shows the content.
    """
    try:
        mode = os.stat(path).st_mode
        text = Path(path).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfiguration(f"{what} {path}: {error}") from error
    if stat.S_IMODE(mode) & 0o077:
        raise BadConfiguration(f"{what} {path}: mode {stat.S_IMODE(mode):04o}, expected 0600; run chmod 600 {path}")
    if len(text) != SECRET_HEX_CHARS:
        raise BadConfiguration(f"{what} {path}: {len(text)} characters, expected {SECRET_HEX_CHARS} hex digits")
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise BadConfiguration(f"{what} {path}: not hex") from error


def write_secret(path: Path, secret: bytes) -> None:
    """Writes a new file of mode 0600; FileExistsError if there is one."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secret.hex() + "\n")


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else f'"{key}"'


def _toml(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case str():
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case list() | tuple():
            return "[" + ", ".join(_toml(item) for item in value) + "]"
        case _:
            raise TypeError(f"no TOML for {type(value).__name__}")
