"""Where a snapshot may come from: another node's public API, or a folder that `hnchain node backup` made.

Nothing that a source says is believed here; it only has to be small enough.
"""

import http.client
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

import msgspec

from ledger.snapshot_folder import SnapshotFolder
from ledger.snapshot_format import CHUNK_BYTES, MANIFEST_BYTES_MAX
from primitives.codec import Malformed
from primitives.handover import HANDOVER_BYTES_MAX, Handover
from primitives.json_form import from_plain

SECONDS: Final = 10.0  # for a connection, and for each piece of an answer: a source that drips is left (pitfall 57)
HANDOVERS_ASKED: Final = 64
_PAGE_BYTES_MAX: Final = 2 * HANDOVERS_ASKED * HANDOVER_BYTES_MAX  # JSON: keys and certificates in text
_ROUND_BYTES: Final = 64 * 1024
_NO_TICKET: Final[Mapping[str, str]] = {}


class SourceFailed(Exception):
    """No answer, or none that can be used; it may be honest."""


class Source(Protocol):
    """One place to fetch from. All methods raise SourceFailed."""

    @property
    def name(self) -> str: ...

    def manifest(self, height: int | None) -> bytes | None:
        """The newest manifest, or that of a height; None if there is none."""
        ...

    def chunk(self, height: int, index: int) -> bytes: ...

    def handovers(self, start: int) -> list[Handover]:
        """Those that closed the epochs from `start` on, at most a page; none if no later epoch is known."""
        ...


class HttpSource:
    """A node's public API. Plain HTTP: what comes is proven, and nothing secret goes but a read ticket, where given."""

    def __init__(self, url: str, ticket: str = "") -> None:
        """`ticket`: of an operator, regulator or auditor; a node whose reads are scoped gives its state to these only.

        Raises: ValueError for anything but http://host[:port].
        """
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError(f"not a node's address: {url!r}, expected http://host:port")
        self._host: Final = parts.hostname
        self._port: Final = parts.port or 80
        self._base: Final = parts.path.rstrip("/")
        self.name: Final = url
        self._ticket: Final = {"Authorization": f"Bearer {ticket}"} if ticket else {}

    def manifest(self, height: int | None) -> bytes | None:
        """See Source. A node gives its newest only: another height than asked for is none."""
        return self._get("/v1/snapshot?form=raw", MANIFEST_BYTES_MAX)

    def chunk(self, height: int, index: int) -> bytes:
        """See Source."""
        raw = self._get(f"/v1/snapshot/chunks/{index}?height={height}", CHUNK_BYTES, self._ticket)
        if raw is None:
            raise SourceFailed(f"has no chunk {index} of {height} any more")
        return raw

    def handovers(self, start: int) -> list[Handover]:
        """See Source."""
        raw = self._get(f"/v1/handovers?from={start}&limit={HANDOVERS_ASKED}", _PAGE_BYTES_MAX)
        try:
            listed = msgspec.json.decode(raw or b"{}")["handovers"]
            return [from_plain(Handover, plain) for plain in listed[:HANDOVERS_ASKED]]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError, TypeError, Malformed) as error:
            raise SourceFailed(f"handovers: {error}") from error

    def _get(self, target: str, octets_max: int, ticket: Mapping[str, str] = _NO_TICKET) -> bytes | None:
        """The body of a 200, None for 404."""
        connection = http.client.HTTPConnection(self._host, self._port, timeout=SECONDS)
        try:
            connection.request("GET", self._base + target, headers={"Connection": "close", "Accept": "*/*", **ticket})
            response = connection.getresponse()
            if response.status == 404:
                return None
            if response.status in (401, 403):
                raise SourceFailed(f"HTTP {response.status}: its state is for operators and auditors with a ticket")
            if response.status != 200:
                raise SourceFailed(f"HTTP {response.status}")
            body = bytearray()
            while piece := response.read1(_ROUND_BYTES):
                body += piece
                if len(body) > octets_max:
                    raise SourceFailed(f"more than {octets_max} bytes")
            return bytes(body)
        except (OSError, http.client.HTTPException) as error:
            raise SourceFailed(str(error) or type(error).__name__) from error
        finally:
            connection.close()


class FolderSource:
    """A folder with snapshots in it, as in a node's data directory or a backup."""

    def __init__(self, path: Path) -> None:
        self._folder: Final = SnapshotFolder(path)
        self.name: Final = str(path)

    def manifest(self, height: int | None) -> bytes | None:
        """See Source."""
        heights = self._folder.heights() if height is None else [height]
        return self._folder.manifest(heights[0]) if heights else None

    def chunk(self, height: int, index: int) -> bytes:
        """See Source."""
        raw = self._folder.chunk(height, index)
        if raw is None:
            raise SourceFailed(f"has no chunk {index} of {height}")
        return raw

    def handovers(self, start: int) -> list[Handover]:
        """See Source. A folder knows none beyond its manifest."""
        return []
