"""The transactions of a run, signed on all cores into a file before the clock starts."""

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from typing import Final, cast

from benchmarks.signed_file import Recipe, SignedWriter, part_of
from benchmarks.workload import Cast, Profile, Writer

PART: Final = 2_000

_known: list[tuple[Cast, Recipe]] = []  # of a worker process: sent once, not with every part


def _enter(cast: Cast, recipe: Recipe) -> None:
    _known[:] = [(cast, recipe)]


def _part(number: int) -> bytes:
    people, recipe = _known[0]
    writer = Writer(people, f"{recipe.run}.{number}", recipe.valid_until, number)
    profile = cast(Profile, recipe.profile)
    size = recipe.sizes[number]
    return part_of(list(writer.transactions(profile, size, number * recipe.part, recipe.operations)))


def sign_into(path: Path, people: Cast, recipe: Recipe, tell: Callable[[int], None]) -> int:
    """Fill the file; what is in it already stays. `tell` hears how many transactions are in it as they are made.

    Returns: how many were signed now. Raises: Malformed if the file is for something else or damaged; OSError.
    """
    with SignedWriter(path, recipe) as file:
        todo = range(file.done, len(recipe.sizes))
        if len(todo) <= 1:
            _enter(people, recipe)
            for number in todo:
                file.append(_part(number))
            return sum(recipe.sizes[file.done :])
        workers = len(os.sched_getaffinity(0))
        with ProcessPoolExecutor(workers, initializer=_enter, initargs=(people, recipe)) as pool:
            waiting: deque[Future[bytes]] = deque()
            for number in todo:
                waiting.append(pool.submit(_part, number))
                if len(waiting) > 2 * workers:  # so that parts do not pile up in memory
                    file.append(waiting.popleft().result())
                    tell((number - 2 * workers) * recipe.part)
            while waiting:
                file.append(waiting.popleft().result())
        return sum(recipe.sizes[file.done :])
