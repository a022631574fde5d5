"""A stopped node gets its ledger anew: the state of a proven snapshot, fetched in chunks from nodes that nobody trusts.

Chunks that were verified stay beside the data directory until the end, so that a second run goes on where the first
one broke off. A source that gave a wrong byte is named and left. The old directory is kept under another name: it may
be all that is left of something. The new one signs nothing in any epoch that was known when it was made (S9, pitfall
44).
"""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from chainnode.failures import BadConfiguration, LedgerFailure, NodeFailure
from chainnode.snapshot_sources import Source, SourceFailed
from ledger.data_directory import CHAIN_FILE, initialise, lock_holder, restore
from ledger.failures import BadSnapshot, FatalError
from ledger.snapshot_folder import sync_folder
from ledger.snapshot_format import Manifest, chunk_hash, decode_manifest
from ledger.snapshot_loader import load
from ledger.snapshot_proof import Proof, check_manifest
from primitives.certificate import Verify
from primitives.codec import Malformed
from primitives.genesis import Genesis, chain_id, validator_set
from primitives.handover import check_handover
from primitives.keys import verify as verify_signature

T = TypeVar("T")

FETCHING: Final = ".fetching"  # behind the data directory's name: verified chunks
SPACE_FACTOR: Final = 4  # chunks, the ledger with its tree, and what LevelDB needs while it merges
NEW: Final = ".new"  # a directory that is being made
OLD: Final = ".old-"  # and a number: a directory that was replaced


class NoSource(NodeFailure):
    """No source gave a snapshot that proves itself; nothing was changed. `lied`: one gave what does not hold."""

    exit_code = 4

    def __init__(self, why: str, lied: bool = False) -> None:
        super().__init__(why)
        self.lied = lied


@dataclass(frozen=True, slots=True)
class Blamed:
    """A source said what does not hold (`lied`), or did not answer."""

    source: str
    why: str
    lied: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` chunks are fetched and verified (fetching), or in the new ledger (loading)."""

    phase: str
    height: int
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Resynced:
    """`old`: where the former directory is now, None if there was none. `abstains_in`: it signs nothing up to this
    epoch. `height` 0: no source had a snapshot, so the directory begins at genesis."""

    height: int
    state_root: bytes
    abstains_in: int
    old: Path | None
    blamed: tuple[Blamed, ...]


Tell = Callable[[Blamed | Progress], None]


@dataclass(frozen=True, slots=True)
class _Offer:
    """One manifest that proves itself, and the sources that offer just its chunks."""

    manifest: Manifest
    proof: Proof
    sources: list[Source]


class Resync:
    """One run for one data directory; `run` it once."""

    def __init__(
        self, data: Path, genesis: Genesis, state: Mapping[bytes, bytes], sources: Sequence[Source], tell: Tell,
        verify: Verify = verify_signature,
    ) -> None:  # fmt: skip
        """`state`: the whole genesis state."""
        self._data: Final = data
        self._genesis: Final = genesis
        self._state: Final = state
        self._sources: Final = list(sources)
        self._tell: Final = tell
        self._verify: Final = verify
        self._blamed: Final[list[Blamed]] = []

    def run(self, height: int | None = None, from_genesis: bool = False) -> Resynced:
        """Replace the data directory by the newest snapshot that proves itself, or by the one of `height`.

        `from_genesis`: where no source has one, begin at height 0. Raises: NoSource, BadConfiguration if a process
        uses the directory, LedgerFailure; then the directory is as it was.
        """
        self._tidy()
        offers, epoch = self._offers(height)
        for offer in offers:
            result = self._try(offer, epoch)
            if result is not None:
                return result
        if offers or not from_genesis:
            told = "; ".join(f"{blamed.source}: {blamed.why}" for blamed in self._blamed)
            lied = any(blamed.lied for blamed in self._blamed)
            raise NoSource(f"no snapshot from {len(self._sources)} sources: {told}", lied)
        self._guarded(lambda: initialise(self._beside(NEW), self._genesis, self._state, epoch))
        return Resynced(0, b"", epoch, self._swap(), tuple(self._blamed))

    def _offers(self, height: int | None) -> tuple[list[_Offer], int]:
        """What the sources have, and the newest epoch that any of them proved. What two of them offer goes before what
        one does, since only the whole download shows whether a state is the proven one; then the newest."""
        found: dict[tuple[int, tuple[bytes, ...]], _Offer] = {}
        epoch = 0
        for source in self._sources:
            try:
                epoch = max(epoch, self._epoch_of(source))
                raw = source.manifest(height)
                if raw is None:
                    self._blame(source, "has no snapshot", lied=False)
                    continue
                manifest = decode_manifest(raw)
                if height is not None and manifest.height != height:
                    self._blame(source, f"has a snapshot of height {manifest.height} only", lied=False)
                    continue
                proof = check_manifest(manifest, self._genesis, self._verify)
            except SourceFailed as error:
                self._blame(source, str(error), lied=False)
                continue
            except (BadSnapshot, Malformed) as error:
                self._blame(source, str(error), lied=True)
                continue
            epoch = max(epoch, proof.epoch)
            offer = found.setdefault((manifest.height, manifest.chunks), _Offer(manifest, proof, []))
            offer.sources.append(source)
        return sorted(found.values(), key=lambda offer: (-min(len(offer.sources), 2), -offer.manifest.height)), epoch

    def _epoch_of(self, source: Source) -> int:
        """The newest epoch that the source proves. Raises: SourceFailed, Malformed."""
        members = validator_set(self._genesis)
        epoch = 0
        while page := source.handovers(epoch):
            for handover in page:
                members = check_handover(handover, chain_id(self._genesis), epoch, members, self._verify)
                epoch += 1
        return epoch

    def _try(self, offer: _Offer, epoch: int) -> Resynced | None:
        """Fetch and load it; None if its sources failed or it is not what it says."""
        folder = self._beside(FETCHING) / _name_of(offer.manifest)
        self._guarded(lambda: folder.mkdir(mode=0o700, parents=True, exist_ok=True))
        free, needed = shutil.disk_usage(folder).free, SPACE_FACTOR * offer.manifest.octets
        if free < needed:
            raise LedgerFailure(f"{folder}: {free} bytes are free, the snapshot needs {needed}", 75)
        if not self._fetch(offer, folder):
            return None
        total = len(offer.manifest.chunks)

        def chunk(number: int) -> bytes:
            self._tell(Progress("loading", offer.manifest.height, number, total))
            return (folder / _chunk_name(number)).read_bytes()

        abstains_in = max(epoch, offer.proof.epoch)
        try:
            head = self._guarded(lambda: restore(
                self._beside(NEW), self._genesis,
                lambda store, files: load(
                    store, files, self._genesis, self._state, offer.manifest, offer.proof, chunk, abstains_in
                ),
            ))  # fmt: skip
        except BadSnapshot as error:  # every chunk is what the manifest says: the manifest lies
            for source in offer.sources:
                self._blame(source, str(error), lied=True)
            shutil.rmtree(folder, ignore_errors=True)
            return None
        old = self._swap()
        shutil.rmtree(self._beside(FETCHING), ignore_errors=True)
        return Resynced(head.height, head.state_root, abstains_in, old, tuple(self._blamed))

    def _fetch(self, offer: _Offer, folder: Path) -> bool:
        """All chunks, verified, in the folder; False once no source of the offer is left."""
        height, hashes = offer.manifest.height, offer.manifest.chunks
        for number, expected in enumerate(hashes):
            self._tell(Progress("fetching", height, number, len(hashes)))
            path = folder / _chunk_name(number)
            if path.exists() and chunk_hash(path.read_bytes()) == expected:
                continue
            raw = self._chunk(offer, number, expected)
            if raw is None:
                return False
            self._guarded(partial(path.write_bytes, raw))  # not synced: a later run checks its hash again
        return True

    def _chunk(self, offer: _Offer, number: int, expected: bytes) -> bytes | None:
        """The chunk from the first source that has it; one that has not, or another one, is asked no more."""
        while offer.sources:
            source = offer.sources[number % len(offer.sources)]
            try:
                raw = source.chunk(offer.manifest.height, number)
            except SourceFailed as error:
                self._blame(source, str(error), lied=False)
            else:
                if chunk_hash(raw) == expected:
                    return raw
                self._blame(source, f"chunk {number} is not what its manifest says", lied=True)
            offer.sources.remove(source)
        return None

    def _blame(self, source: Source, why: str, lied: bool) -> None:
        blamed = Blamed(source.name, why, lied)
        self._blamed.append(blamed)
        self._tell(blamed)

    def _beside(self, ending: str) -> Path:
        return self._data.with_name(self._data.name + ending)

    def _check_unused(self) -> None:
        user = lock_holder(self._data)
        if user is not None:
            raise BadConfiguration(f"{self._data} is in use by {user}; stop the node first")

    def _tidy(self) -> None:
        """Finish or clear what an earlier run left."""
        self._check_unused()
        new = self._beside(NEW)
        if not self._data.exists() and (new / CHAIN_FILE).exists():
            self._swap()  # it ended between the two renames: now there is a directory to replace once more
        elif new.exists():
            self._guarded(lambda: shutil.rmtree(new))

    def _swap(self) -> Path | None:
        """The new directory takes the place of the old one. Returns: where the old one is."""
        self._check_unused()
        old: Path | None = None

        def rename() -> None:
            nonlocal old
            if self._data.exists():
                number = next(n for n in range(1, 10_000) if not self._beside(f"{OLD}{n}").exists())
                old = self._beside(f"{OLD}{number}")
                os.rename(self._data, old)
            os.rename(self._beside(NEW), self._data)
            sync_folder(self._data.parent)

        self._guarded(rename)
        return old

    def _guarded(self, action: Callable[[], T]) -> T:
        try:
            return action()
        except FatalError as error:
            raise LedgerFailure(str(error), error.exit_code) from error
        except OSError as error:
            raise LedgerFailure(f"{self._data}: {error.strerror or error}", 75 if error.errno == 28 else 74) from error


def _name_of(manifest: Manifest) -> str:
    """Of the folder of its chunks: made of numbers only, nothing of it is from outside (pitfall 59)."""
    return f"{manifest.height:012d}-{chunk_hash(b''.join(manifest.chunks)).hex()[:16]}"


def _chunk_name(number: int) -> str:
    return f"{number:08d}"
