"""Load from many machines: what one simulated user sends, and how what all of them saw is put together.

Locust (see locustfile.py) starts the users, on as many machines as are connected to its master, and carries the
figures. Everything that is ours is here and knows nothing of it: users sign while they send, each at its own even
pace, and a latency counts from when a transaction was due, also where the user was still waiting for the one before.
"""

import http.client
import secrets
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from hdrh.histogram import HdrHistogram

from benchmarks.http_lane import Line
from benchmarks.latencies import DIGITS, HIGHEST_US, Percentiles, encoded, merged, percentiles
from benchmarks.workload import Cast, Profile, Writer
from primitives.codec import encode
from primitives.codes import Code, code_text

FORMAT: Final = 1
COMMITTED: Final = "committed"
UNKNOWN: Final = "unknown"  # sent, and no final answer
ANSWER_SECONDS: Final = 20.0
WAIT_MS: Final = 10_000
LIFE_SECONDS: Final = 300  # of a transaction; it is sent as soon as it is signed
RENEW_SECONDS: Final = 120  # so long are transactions written with one end of life
_LINES: Final = msgspec.json.Decoder(list[Line])


class Pace:
    """Even times from `start` on, `every` seconds apart; made beforehand, moved by nothing."""

    def __init__(self, start: float, every: float) -> None:
        self._start: Final = start
        self._every: Final = every
        self.number = 0

    @property
    def due(self) -> float:
        """When the present one is to be sent."""
        return self._start + self._every * self.number

    def wait(self, now: float) -> float:
        """Go on to the next one. Returns: seconds until it is due; 0 if it is late."""
        self.number += 1
        return max(0.0, self.due - now)


class Tally:
    """What became of transactions, and how long it took: committed ones and all others apart."""

    def __init__(self) -> None:
        self.outcomes: Final[Counter[str]] = Counter()
        self._histograms = self._empty()

    @staticmethod
    def _empty() -> dict[bool, HdrHistogram]:
        return {done: HdrHistogram(1, HIGHEST_US, DIGITS) for done in (True, False)}

    def add(self, seconds: float, outcome: str) -> None:
        """One transaction's end."""
        self.outcomes[outcome] += 1
        value = min(max(round(seconds * 1e6), 1), HIGHEST_US)
        self._histograms[outcome == COMMITTED].record_value(value)

    def taken(self) -> dict[str, Any]:
        """All of it, for `put` elsewhere; empty afterwards."""
        plain = {"outcomes": dict(self.outcomes), COMMITTED: encoded(self._histograms[True]),
                 "failed": encoded(self._histograms[False])}  # fmt: skip
        self.outcomes.clear()
        self._histograms = self._empty()
        return plain

    def put(self, plain: dict[str, Any]) -> None:
        """Add what was taken there."""
        self.outcomes.update(plain["outcomes"])
        for done, name in ((True, COMMITTED), (False, "failed")):
            self._histograms[done].add(HdrHistogram.decode(plain[name]))

    def result(self, profile: str, users: int, user_rate: float, processes: int, seconds: float) -> "SwarmResult":
        """The figures; `seconds` is the time in which they came together."""
        parts = {COMMITTED: self._histograms[True], "failed": self._histograms[False]}
        histograms = {"all": merged(parts.values()), **parts}
        return SwarmResult(
            FORMAT, profile, users, user_rate, processes, round(seconds, 3),
            self.outcomes[COMMITTED] / seconds if seconds else 0.0,
            dict(sorted(self.outcomes.items())),
            {name: percentiles(histogram) for name, histogram in histograms.items()},
            {name: encoded(histogram) for name, histogram in histograms.items()},
        )  # fmt: skip


class SwarmResult(msgspec.Struct, frozen=True):
    """Of a whole run. `processes`: that sent. `outcomes`: transactions by what became of them: committed, unknown, or
    the name of a code. `latency` and `histograms` as in report.Result."""

    format: int
    profile: str
    users: int
    user_rate: float
    processes: int
    seconds: float
    committed_per_s: float
    outcomes: dict[str, int]
    latency: dict[str, Percentiles]
    histograms: dict[str, str]


class Sender:
    """One user with a connection of its own to one node."""

    def __init__(self, cast: Cast, url: str, profile: Profile, operations: int) -> None:
        parts = urlsplit(url)
        self._cast: Final = cast
        self._profile: Final[Profile] = profile
        self._operations: Final = operations
        self._connection: Final = http.client.HTTPConnection(
            parts.hostname or "127.0.0.1", parts.port or 80, timeout=ANSWER_SECONDS
        )
        self._number = secrets.randbelow(1_000_000)  # users do not all begin with the same tourist
        self._writer: Writer | None = None
        self._renew_at = 0.0

    def write(self, count: int) -> list[bytes]:
        """The next so many transactions, signed now."""
        now = time.time()
        if self._writer is None or now >= self._renew_at:
            until = int(now + LIFE_SECONDS)
            self._writer = Writer(self._cast, secrets.token_hex(8), until, secrets.randbits(64))
            self._renew_at = now + RENEW_SECONDS
        first, self._number = self._number, self._number + count
        return list(self._writer.transactions(self._profile, count, first, self._operations))

    def send(self, raws: Sequence[bytes]) -> list[str]:
        """What became of each: see SwarmResult.outcomes."""
        headers = {"Content-Type": "application/vnd.hnchain.bulk"}
        path = f"/v1/transactions?wait=committed&timeout_ms={WAIT_MS}"
        try:
            self._connection.request("POST", path, encode(list(raws)), headers)
            response = self._connection.getresponse()
            raw = response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return [UNKNOWN] * len(raws)
        if response.status != 200:
            return [_refusal(raw, response.status)] * len(raws)
        return [_outcome(line) for line in _LINES.decode(raw)]

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _outcome(line: Line) -> str:
    if line.status == COMMITTED:
        return COMMITTED
    if line.number is None or line.status not in ("rejected", "refused", "expired"):
        return UNKNOWN
    return Code(line.number).name if line.number in list(Code) else code_text(line.number)


def _refusal(raw: bytes, status: int) -> str:
    """The name in a problem document."""
    try:
        name = msgspec.json.decode(raw)["name"]
    except (msgspec.DecodeError, TypeError, KeyError):
        return f"HTTP {status}"
    return str(name)
