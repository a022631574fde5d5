"""One run from beginning to end: people and points, signatures, baseline, load, drain, and the look at the chain."""

import asyncio
import gc
import resource
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from benchmarks.aftermath import Reader, inspect, standing
from benchmarks.generator import Generator, Lane, Plan, send_times
from benchmarks.http_lane import HttpLane
from benchmarks.ingress_lane import IngressLane
from benchmarks.machine import Usage, folder_bytes, hardware, verifies_per_second
from benchmarks.network import Network, midnight_of
from benchmarks.network_clock import MovedClock
from benchmarks.outcomes import Book, Ending
from benchmarks.report import Baseline, Result, Settings, Spent, result_of
from benchmarks.signing import signed
from benchmarks.workload import FUNDED_UNITS, Profile, Scene, Writer, scene_of, units_for
from primitives.address import encode_address
from primitives.transaction import decode_transaction, signature_checks

LIFETIME_MAX: Final = 570.0  # seconds: a node takes valid_until up to 600 s ahead, and signing takes time
AFTER_SECONDS: Final = 40.0  # transactions live so much longer than the sending lasts
DRAIN_SECONDS: Final = 15.0  # beyond their life: what is still open then stays unresolved
SAMPLE_SECONDS: Final = 0.25
CLOSED_RATE_MAX: Final = 8_000  # transactions signed per second of a closed loop
CLOSED_OPERATIONS_MAX: Final = 80_000  # the same of operations in envelopes
SIGNED_PER_SECOND: Final = 4_000  # a guess, on the safe side
PREPARE_SECONDS: Final = 60.0
PREPARE_OUTSTANDING: Final = 200
SIGNATURE_SAMPLE: Final = 500

Tell = Callable[[str, float], None]  # what is done, and how much of it (0 to 1)


class RunFailed(Exception):
    """The run could not be made; nothing was measured."""


@dataclass(slots=True)
class Timeline:
    """CPU seconds of the nodes and of this process, sampled while the load runs."""

    usage: Usage
    samples: list[tuple[float, float, float]]

    def between(self, start: float, end: float) -> tuple[float, float]:
        """(nodes, generator) seconds within the window, to the nearest samples."""
        first = min(self.samples, key=lambda sample: abs(sample[0] - start))
        last = min(self.samples, key=lambda sample: abs(sample[0] - end))
        return last[1] - first[1], last[2] - first[2]


def own_cpu_seconds() -> float:
    """User and system time of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def settle_all(urls: Sequence[str], raws: Sequence[bytes]) -> Book:
    """Send these and wait for their ends; for what must stand before a run."""
    plan = Plan((), PREPARE_OUTSTANDING, PREPARE_SECONDS, PREPARE_SECONDS, bulk=50)
    async with AsyncExitStack() as stack:
        generator = Generator(len(raws), plan)
        lanes = [await stack.enter_async_context(HttpLane(url, raws, generator, 4)) for url in urls]
        generator.attach(lanes, lanes)
        return await generator.run()


def prepare(network: Network, writer: Writer, units: int = FUNDED_UNITS) -> None:
    """Every tourist has an account and points. Raises: RunFailed."""
    reader = _first_that_answers(network.urls)
    missing = []
    if not network.owned:
        for tourist in network.cast.tourists:
            try:
                reader.get(f"/v1/accounts/{encode_address(tourist.address)}")
            except OSError:
                missing.append(tourist)
    reader.close()
    for what, raws in (("accounts", writer.openings(missing)), ("points", writer.funding(units))):
        book = asyncio.run(settle_all(network.urls, raws))
        done = book.count_of(range(book.count))
        if done["committed"] != len(raws):
            codes = {ending.name: dict(book.codes(range(book.count), ending)) for ending in Ending}
            raise RunFailed(f"{what} for the run: {done['committed']} of {len(raws)} committed, codes {codes}")


def _first_that_answers(urls: Sequence[str]) -> Reader:
    for url in urls:
        reader = Reader(url)
        try:
            reader.get("/v1/status")
        except OSError:
            reader.close()
            continue
        return reader
    raise OSError(f"none of {', '.join(urls)} answers")


def measure(network: Network, settings: Settings, profile: Profile, tell: Tell) -> Result:
    """The whole run. Raises: RunFailed, OSError if no node answers at the beginning."""
    seconds = settings.warmup + settings.duration
    if seconds + AFTER_SECONDS > LIFETIME_MAX - 60:
        raise RunFailed(f"a run of {seconds:.0f} s: transactions live at most 600 s, so at most 470 s")
    if scene_of(profile) != Scene() and not network.owned:
        raise RunFailed(f"{profile}: only in a network made for the run, its genesis holds what the profile needs")
    run = secrets.token_hex(4)
    if isinstance(network.clock, MovedClock):
        network.clock.set(network.clock.now())
    tell("prepare", 0.0)
    count = _count(settings, seconds)
    lifetime = min(LIFETIME_MAX, seconds + AFTER_SECONDS + (0 if network.clock.is_ours else count / SIGNED_PER_SECOND))
    people = Writer(network.cast, run, int(network.clock.now() + LIFETIME_MAX), secrets.randbits(32))
    prepare(network, people, units_for(count, len(network.cast.tourists)))
    begin = midnight_of(network.genesis) - seconds / 2 if network.clock.is_ours else time.time()
    valid_until = int(begin + lifetime)
    raws = signed(
        network.cast, run, valid_until, profile, settings.operations, count, lambda done: tell("sign", done / count)
    )
    checks = [len(signature_checks(decode_transaction(raw))) for raw in raws[:SIGNATURE_SAMPLE]]
    folders = {place.name: network.devnet.folder(place) for place in network.devnet.places}
    first = min((place[0] for place in standing(network).values() if place is not None), default=0)
    sizes = {name: folder_bytes(folder) for name, folder in folders.items()}
    before = verifies_per_second()
    pokes = [Writer(network.cast, f"{run}.poke", valid_until + 60, n).poke() for n in range(60)]
    gc.collect()
    gc.freeze()  # the transactions are no garbage: nothing to look through during the run
    if isinstance(network.clock, MovedClock):
        network.clock.set(begin)
    book, timeline = asyncio.run(_load(network, settings, raws, pokes, valid_until - network.clock.now(), tell))
    gc.unfreeze()
    after = verifies_per_second()
    tell("inspect", 0.0)
    ids = {
        decode_transaction(raws[n]).id.hex() for n in range(book.released) if book.ending[n] == Ending.COMMITTED
    }
    chain = inspect(network, first, ids)
    nodes, generator = timeline.between(settings.warmup, seconds)
    growth = {name: folder_bytes(folder) - sizes[name] for name, folder in folders.items()}
    spent = Spent(nodes, generator, timeline.usage.memory_mib, growth)
    baseline = Baseline(before, after, sum(checks) / len(checks))
    return result_of(book, settings, hardware(), baseline, spent, chain)


def _count(settings: Settings, seconds: float) -> int:
    if not settings.outstanding:
        return int(settings.rate * seconds)
    return int(min(CLOSED_RATE_MAX, CLOSED_OPERATIONS_MAX // settings.operations) * seconds)


async def _load(
    network: Network, settings: Settings, raws: list[bytes], pokes: list[bytes], lifetime: float, tell: Tell
) -> tuple[Book, Timeline]:
    seconds = settings.warmup + settings.duration
    due = [] if settings.outstanding else send_times(settings.rate, seconds)
    bulk = max(1, settings.outstanding // 16) if settings.outstanding else 256
    plan = Plan(due, settings.outstanding, seconds, lifetime + DRAIN_SECONDS, min(bulk, 256))
    count = len(raws)
    everything = raws + pokes
    left = list(range(count, len(everything)))
    async with AsyncExitStack() as stack:
        asking: list[HttpLane] = []

        def poke() -> None:
            if left:
                asking[0].send([left.pop()])

        generator = Generator(count, plan, poke, lifetime)
        for url in network.urls:
            asking.append(await stack.enter_async_context(HttpLane(url, everything, generator)))
        lanes: list[Lane] = list(asking)
        if settings.transport == "ingress":
            ids = [decode_transaction(raw).id for raw in raws]
            lanes = [
                await stack.enter_async_context(IngressLane(host, port, raws, ids, generator))
                for host, port in network.ingress()
            ]
        generator.attach(lanes, asking)
        timeline = Timeline(Usage(), [])
        beside = [
            asyncio.create_task(_sample(network, generator, timeline, seconds, tell)),
            asyncio.create_task(network.clock.drive()),
        ]  # fmt: skip
        try:
            return await generator.run(), timeline
        finally:
            for task in beside:
                task.cancel()


async def _sample(network: Network, generator: Generator, timeline: Timeline, seconds: float, tell: Tell) -> None:
    while True:
        at = generator.now()
        timeline.samples.append((at, timeline.usage.sample(network.processes()), own_cpu_seconds()))
        tell("load", min(at / seconds, 1.0))
        await asyncio.sleep(SAMPLE_SECONDS)
