"""After a run: is everything that was answered as committed in the chain, and is the chain the same everywhere?"""

import http.client
import time
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from benchmarks.network import Network

AGREE_SECONDS: Final = 60.0  # a node that came back late in the run has to catch up first
PAGE: Final = 1000  # mentions per request, the most that a node gives
COMMITTED: Final = ("OK", "OK_DUPLICATE")


class Chain(msgspec.Struct, frozen=True):
    """The network at the end. `roots` by node: height, block hash, state root; None where a node does not answer."""

    nodes: dict[str, tuple[int, str, str] | None]
    agreed: bool  # all nodes that answer stand at one height with one hash and one state root
    lost: int  # answered as committed, and not in the chain
    invariants: list[str] | None  # broken ones; None: no node could be asked


class Reader:
    """One node's public API, a request at a time over one connection."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port or 80, timeout=30)

    def get(self, path: str) -> Any:
        """The JSON of a 200. Raises: OSError for anything else."""
        try:
            self._connection.request("GET", path)
            response = self._connection.getresponse()
            raw = response.read()
        except http.client.HTTPException as error:
            raise OSError(f"{path}: {error}") from error
        if response.status != 200:
            raise OSError(f"{path}: HTTP {response.status}")
        return msgspec.json.decode(raw)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def committed_ids(self, first: int, last: int) -> Iterator[str]:
        """Ids with a committed receipt in the blocks first..last."""
        for height in range(first, last + 1):
            offset, count = 0, 1
            while offset < count:
                block = self.get(f"/v1/blocks/{height}?offset={offset}&limit={PAGE}")
                count = int(block["count"])
                offset += PAGE
                yield from (m["id"] for m in block["transactions"] if m["code"] in COMMITTED)


def standing(network: Network, seconds: float = AGREE_SECONDS) -> dict[str, tuple[int, str, str] | None]:
    """Where every node stands, once all that answer agree or the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        found = {
            name: None if s is None else (int(s["height"]), str(s["block_hash"]), str(s["state_root"]))
            for name, s in network.statuses().items()
        }  # fmt: skip
        if agree(found) or time.monotonic() >= deadline:
            return found
        time.sleep(0.1)


def agree(nodes: dict[str, tuple[int, str, str] | None]) -> bool:
    """Whether at least one node answers and those that do are equal."""
    return len({place for place in nodes.values() if place is not None}) == 1


def inspect(network: Network, first: int, answered: set[str]) -> Chain:
    """Compare what clients were told with the chain from height `first` on.

    One node's blocks are read in full. A block hash covers the whole chain below it and the ids in it, so a node with
    the same hash at the same height holds the same transactions.
    """
    nodes = standing(network)
    top = max((place[0] for place in nodes.values() if place is not None), default=0)
    missing = set(answered)
    for node in network.devnet.places:
        place = nodes.get(node.name)
        if place is None or place[0] != top:
            continue
        reader = Reader(node.url)
        try:
            missing.difference_update(reader.committed_ids(first, top))
        except OSError:
            continue
        finally:
            reader.close()
        break
    return Chain(nodes, agree(nodes), len(missing), network.invariants())
