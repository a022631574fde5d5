"""Four real processes on free ports, a load of issues from the hotel, and the questions that a test asks them."""

import http.client
import itertools
import json
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from typing import Any

import msgspec

from chainnode.devnet import Devnet, create
from chainnode.devnet_layout import PEOPLE, NodePlace, devnet_genesis, place_on
from chainnode.failures import NodeFailure
from chainnode.listening_ports import free_ports
from primitives.genesis import Genesis, chain_id
from primitives.hashing import tagged_hash
from primitives.keys import SigningKey, address_of
from primitives.kinds import Body, Issue
from primitives.transaction import Envelope, decode_transaction, sign_transaction

SEED = bytes(range(32))
STARTS = 3  # a port that was free may be taken a moment later, by a network that starts beside this one
PEOPLE_KEYS = {p.name: SigningKey.from_seed(tagged_hash(b"test/person", p.name.encode())) for p in PEOPLE}
BULK = "application/vnd.hnchain.bulk"


@contextmanager
def local_network(directory: Path, test_clock: bool = False, start: bool = True) -> Iterator["Network"]:
    """A fresh network; every process is gone at the end, whatever happens."""
    network = _create(directory, test_clock)
    try:
        for attempt in range(STARTS if start else 0):
            try:
                network.start_all()
                break
            except NodeFailure:
                _kill_all(network)
                words = [network.devnet.last_words(place) for place in network.places]
                if attempt + 1 == STARTS or not any("is taken by" in word for word in words):
                    raise
                rmtree(directory / "network")
                network = _create(directory, test_clock)
        yield network
    finally:
        _kill_all(network)


def _create(directory: Path, test_clock: bool) -> "Network":
    places = place_on(free_ports(16))
    genesis = devnet_genesis(SEED, int(time.time()) - 60, 4, PEOPLE_KEYS, test_clock)
    return Network(create(directory / "network", SEED, places, genesis, checked=True), genesis)


def _kill_all(network: "Network") -> None:
    for place in network.places:  # a test may have added some
        network.devnet.kill(place)


class Network:
    def __init__(self, devnet: Devnet, genesis: Genesis) -> None:
        self.devnet, self.genesis = devnet, genesis
        self.chain_id = chain_id(genesis)

    @property
    def places(self) -> tuple[NodePlace, ...]:
        return self.devnet.places

    def start_all(self) -> None:
        for place in self.places:
            self.devnet.start(place)
        self.devnet.wait_ready(self.places)

    def kill_all(self) -> None:
        pids = [pid for place in self.places if (pid := self.devnet.process(place)) is not None]
        assert len(pids) == len(self.places), f"only {len(pids)} nodes were running"
        for place in self.places:
            self.devnet.signal(place, 9)
        for place in self.places:
            self.devnet.kill(place)

    def get(self, place: NodePlace, path: str) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", place.http_port, timeout=30)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            body = json.loads(answer.read())
            assert answer.status == 200, (path, answer.status, body)
            return body
        finally:
            connection.close()

    def sign(self, name: str, body: Body, seconds: int = 300) -> bytes:
        key = PEOPLE_KEYS[name]
        sender = address_of(key.public_key)
        until = int(time.time()) + seconds
        return sign_transaction(Envelope(self.chain_id, sender, secrets.token_bytes(16), until, body), [key])

    def issue(self, order: str, units: int = 1) -> bytes:
        to = address_of(PEOPLE_KEYS["alice"].public_key)
        return self.sign("hotel", Issue("hotel", to, units, order, "EARN", 100 * units))

    def submit(self, place: NodePlace, raws: list[bytes], wait: str = "committed", timeout_ms: int = 20_000) -> Any:
        """The lines of a bulk answer. Raises OSError or http.client.HTTPException when the node dies."""
        connection = http.client.HTTPConnection("127.0.0.1", place.http_port, timeout=30)
        try:
            path = f"/v1/transactions?wait={wait}&timeout_ms={timeout_ms}"
            connection.request("POST", path, msgspec.msgpack.encode(raws), {"Content-Type": BULK})
            answer = connection.getresponse()
            body = json.loads(answer.read())
            assert answer.status in (200, 202), (answer.status, body)
            return body
        finally:
            connection.close()

    def height(self, place: NodePlace) -> int:
        return int(self.get(place, "/v1/status")["height"])

    def wait_equal(self, seconds: float = 20.0, places: Sequence[NodePlace] = ()) -> tuple[int, str]:
        """(height, state root) that all nodes (or these) share; fails if they do not meet in time."""
        deadline = time.monotonic() + seconds
        while True:
            found = {(s["height"], s["state_root"]) for p in places or self.places if (s := self.get(p, "/v1/status"))}
            if len(found) == 1:
                return next(iter(found))
            assert time.monotonic() < deadline, f"the nodes differ after {seconds} s: {sorted(found)}"
            time.sleep(0.05)


class Load:
    """Threads that submit bulks of issues and remember what was answered `committed`."""

    def __init__(
        self, network: Network, threads: int = 2, bulk: int = 8, prefix: str = "L", places: Sequence[NodePlace] = ()
    ) -> None:  # fmt: skip
        """`places`: the nodes that are asked in turn, if not all."""
        self.network, self.bulk, self.prefix = network, bulk, prefix
        self.asked = tuple(places) or network.places
        self.pending: set[str] = set()  # answered so: taken, and no receipt in time
        self.slowest_s = 0.0
        self.acknowledged: dict[str, tuple[int, int]] = {}  # id -> height, index
        self.submitted: dict[str, bytes] = {}  # id -> raw
        self._numbers = itertools.count()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._work, args=(i,), daemon=True) for i in range(threads)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=40)
            assert not thread.is_alive(), "a load thread hangs"

    def wait_acknowledged(self, count: int, seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while len(self.acknowledged) < count:
            assert time.monotonic() < deadline, f"{len(self.acknowledged)} of {count} acknowledged after {seconds} s"
            time.sleep(0.01)

    def _work(self, number: int) -> None:
        places = itertools.cycle(self.asked[number:] + self.asked[:number])
        while not self._stop.is_set():
            place = next(places)
            raws = [self.network.issue(f"{self.prefix}-{next(self._numbers)}") for _ in range(self.bulk)]
            with self._lock:
                self.submitted.update((decode_transaction(raw).id.hex(), raw) for raw in raws)
            asked_s = time.monotonic()
            try:
                lines = self.network.submit(place, raws, timeout_ms=5_000)
            except (OSError, http.client.HTTPException):
                self._stop.wait(0.02)
                continue
            with self._lock:
                self.slowest_s = max(self.slowest_s, time.monotonic() - asked_s)
                self.pending.update(line["id"] for line in lines if line["status"] == "pending")
                for line in lines:
                    if line["status"] == "committed":
                        self.acknowledged[line["id"]] = (line["height"], line["index"])
            if any(line["status"] == "refused" for line in lines):
                self._stop.wait(0.02)


def check_invariants_watched(network: Network) -> None:
    """Every node has recomputed the invariants while it ran: a broken one would have stopped it."""
    for place in network.places:
        connection = http.client.HTTPConnection("127.0.0.1", place.http_port, timeout=30)
        try:
            connection.request("GET", "/metrics")
            lines = connection.getresponse().read().decode().splitlines()
        finally:
            connection.close()
        passes = [float(line.split()[1]) for line in lines if line.startswith("hn_invariant_checks_total")]
        assert passes and passes[0] > 0, f"{place.name} has not looked at its invariants"
