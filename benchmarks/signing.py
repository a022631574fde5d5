"""The transactions of a run, signed on all cores before the clock starts."""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from typing import Final

from benchmarks.workload import Cast, Profile, Writer

CHUNK: Final = 2_000

_cast: list[Cast] = []  # of a worker process: sent once, not with every chunk


def _enter(cast: Cast) -> None:
    _cast[:] = [cast]


def _chunk(run: str, valid_until: int, profile: Profile, operations: int, number: int, count: int) -> list[bytes]:
    writer = Writer(_cast[0], f"{run}.{number}", valid_until, number)
    return list(writer.transactions(profile, count, number * CHUNK, operations))


def signed(
    cast: Cast, run: str, valid_until: int, profile: Profile, operations: int, count: int, tell: Callable[[int], None]
) -> list[bytes]:
    """`count` transactions in order; `tell` hears how many there are as they are made."""
    sizes = [min(CHUNK, count - start) for start in range(0, count, CHUNK)]
    if len(sizes) <= 1:
        _enter(cast)
        return _chunk(run, valid_until, profile, operations, 0, count)
    found: list[bytes] = []
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), initializer=_enter, initargs=(cast,)) as pool:
        same = (repeat(run), repeat(valid_until), repeat(profile), repeat(operations))
        chunks = pool.map(_chunk, *same, range(len(sizes)), sizes)
        for chunk in chunks:
            found += chunk
            tell(len(found))
    return found
