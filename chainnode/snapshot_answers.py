"""A node's newest snapshot, for who wants to begin with the state instead of with the first block."""

import asyncio
from typing import Annotated, Final, Literal

import msgspec

from chainnode.backend import NodeBackend
from chainnode.calls import BINARY, Answer, Call, Query, read_number, record_answer
from chainnode.problem import Refused
from ledger.snapshot_folder import SnapshotFolder
from ledger.snapshot_format import chunk_hash, decode_manifest
from primitives.block import header_digest
from primitives.codec import U64, Bytes32, Record
from primitives.codes import Code
from primitives.hashing import Digest

Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_IMMUTABLE: Final = {"Cache-Control": "public, max-age=31536000, immutable"}


class SnapshotQuery(Query, frozen=True):
    """`form`: the canonical bytes that can be verified, or JSON to read."""

    form: Literal["json", "raw"] = "json"


class ChunkQuery(Query, frozen=True):
    """`height` of the manifest; without it the newest."""

    height: Count | None = None


class SnapshotAnswer(Record):
    """`certified`: height of the header whose certificate proves the state, by members of `epoch`."""

    height: U64
    block_hash: Bytes32
    state_root: Bytes32
    certified: U64
    certified_hash: Bytes32
    epoch: U64
    octets: U64
    chunks: U64


def _folder(backend: NodeBackend) -> SnapshotFolder:
    if backend.maintenance is None:
        raise _none()
    return backend.maintenance.snapshots.folder


def _none() -> Refused:
    return Refused(Code.NO_SNAPSHOT, "this node has no such snapshot", "query")


async def get_snapshot(backend: NodeBackend, call: Call) -> Answer:
    """404 NO_SNAPSHOT while there is none."""
    query: SnapshotQuery = call.query
    folder = _folder(backend)
    raw = await asyncio.to_thread(_newest, folder)
    if raw is None:
        raise _none()
    tag = {"ETag": f'"{chunk_hash(raw).hex()}"'}
    if query.form == "raw":
        return Answer(200, raw, BINARY, tag)
    manifest = decode_manifest(raw)
    naming, last = manifest.naming(), manifest.headers[-1]
    assert naming is not None, "a snapshot made here proves its state"
    return record_answer(
        SnapshotAnswer(
            manifest.height, Digest(manifest.headers[0].parent), Digest(naming.state_root), last.height,
            header_digest(last), last.epoch, manifest.octets, len(manifest.chunks),
        )
    )  # fmt: skip


async def get_chunk(backend: NodeBackend, call: Call) -> Answer:
    """The chunk of that number, from 0, as octets. Its hash in the manifest is its ETag."""
    query: ChunkQuery = call.query
    index = read_number(call.path["index"], "index")
    chunk = await asyncio.to_thread(_chunk, _folder(backend), query.height, index)
    if chunk is None:
        raise _none()
    forever = {} if query.height is None else _IMMUTABLE
    return Answer(200, chunk, BINARY, {"ETag": f'"{chunk_hash(chunk).hex()}"', **forever})


def _newest(folder: SnapshotFolder) -> bytes | None:
    return next((raw for height in folder.heights() if (raw := folder.manifest(height)) is not None), None)


def _chunk(folder: SnapshotFolder, height: int | None, index: int) -> bytes | None:
    found = next(iter(folder.heights()), None) if height is None else height
    return None if found is None or index >= 10**8 else folder.chunk(found, index)
