"""What a wallet believed last time: the genesis of a chain, and the newest epoch and header that were proven to it.

Two files per chain beside the wallets, mode 0600, replaced as a whole. Losing them loses the memory, not money: the
wallet begins from the genesis again, and old keys could then show it an old end of the chain (pitfall 65).
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cli.language import t
from cli.output import say
from cli.verdicts import usage
from primitives.block import header_digest
from primitives.codec import Malformed, encode
from primitives.genesis import Genesis, chain_id, genesis_text, load_genesis
from primitives.light_client import TRUST_BYTES_MAX, Conflict, TrustRecord, decode_trust

FOLDER: Final = "trust"
TRUST_SUFFIX: Final = ".trust"
GENESIS_SUFFIX: Final = ".genesis.json"
FORK_SUFFIX: Final = ".fork"


@dataclass(frozen=True, slots=True)
class TrustStore:
    """The files of all chains in one folder, each named by the first 32 digits of the chain id."""

    folder: Path

    def _path(self, chain: bytes, suffix: str) -> Path:
        return self.folder / f"{chain.hex()[:32]}{suffix}"

    def genesis(self, chain: bytes) -> Genesis | None:
        """The kept genesis, None if there is none or it is not the one of this chain."""
        try:
            genesis = load_genesis(self._path(chain, GENESIS_SUFFIX).read_bytes())
        except (OSError, Malformed):
            return None
        return genesis if chain_id(genesis) == chain else None

    def keep_genesis(self, genesis: Genesis) -> None:
        """For the next time; what cannot be written is only said."""
        self._write(self._path(chain_id(genesis), GENESIS_SUFFIX), genesis_text(genesis))

    def record(self, chain: bytes) -> TrustRecord | None:
        """The kept record. Raises: Refusal (exit 2) that names a damaged file: to go on without it is a decision."""
        path = self._path(chain, TRUST_SUFFIX)
        try:
            with open(path, "rb") as stream:
                raw = stream.read(TRUST_BYTES_MAX + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise usage(f"{path}: {error.strerror}") from error
        try:
            record = decode_trust(raw)
            if record.chain_id != chain:
                raise Malformed(f"it is of chain {record.chain_id.hex()[:16]}")
        except Malformed as error:
            fix = t("delete it to begin from the genesis again", "删除后将从创世文件重新开始")
            raise usage(f"{path}: {error}", fix) from error
        return record

    def keep_record(self, record: TrustRecord) -> None:
        """Replaces an older one; another command's newer one stays."""
        kept = self.record(record.chain_id)
        if kept is not None and _rank(kept) >= _rank(record):
            return
        self._write(self._path(record.chain_id, TRUST_SUFFIX), encode(record))

    def keep_fork(self, chain: bytes, conflict: Conflict) -> Path:
        """Both certified blocks as one file: the evidence that more than f validators signed two histories."""
        digest = header_digest(conflict.found.headers[0])
        path = self._path(chain, f".{conflict.found.headers[0].height}.{digest.hex()[:8]}{FORK_SUFFIX}")
        self._write(path, encode((conflict.known, conflict.found)))
        return path

    def _write(self, path: Path, raw: bytes) -> None:
        fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(descriptor, "wb") as stream:
                stream.write(raw)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(fresh, path)
        except OSError as error:
            say(t(f"not kept for the next time: {path}: {error.strerror}", f"未能保存：{path}：{error.strerror}"))


def _rank(record: TrustRecord) -> tuple[int, int]:
    return len(record.closes), -1 if record.newest is None else record.newest.headers[0].height
