"""A token bucket per address (T26). Time comes from the caller, in monotonic seconds."""

from collections import OrderedDict
from typing import Final

ADDRESSES_MAX: Final = 10_000  # beyond, the longest unused bucket is forgotten: it was full again anyway
BURST_SECONDS: Final = 2


class RateLimit:
    """`rate` requests per second with a burst of two seconds' worth; rate 0 allows everything."""

    def __init__(self, rate: int, addresses_max: int = ADDRESSES_MAX) -> None:
        self.rate: Final = rate
        self._addresses_max: Final = addresses_max
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # address -> tokens, when counted

    def retry_after_s(self, address: str, now_s: float, cost: int = 1) -> float:
        """0.0 and the cost is taken; else the seconds until it can be. A cost above the burst needs a full bucket."""
        if self.rate == 0:
            return 0.0
        burst = float(self.rate * BURST_SECONDS)
        tokens, at = self._buckets.pop(address, (burst, now_s))
        tokens = min(burst, tokens + (now_s - at) * self.rate)
        needed = min(float(cost), burst)
        allowed = tokens >= needed
        self._buckets[address] = (tokens - cost if allowed else tokens, now_s)
        if len(self._buckets) > self._addresses_max:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (needed - tokens) / self.rate
