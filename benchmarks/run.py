"""One run from beginning to end: people and points, signatures, baseline, load, drain, and the look at the chain."""

import asyncio
import math
import resource
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

from msgspec.structs import replace

from benchmarks.aftermath import Reader, inspect, standing
from benchmarks.fleet import Books, Fleet, LoadFailed
from benchmarks.generator import Generator, Plan
from benchmarks.http_lane import HttpLane
from benchmarks.load_process import Orders
from benchmarks.machine import Usage, folder_bytes, hardware, verifies_per_second
from benchmarks.network import Network, midnight_of
from benchmarks.network_clock import MovedClock
from benchmarks.outcomes import Book, Ending, together
from benchmarks.report import Baseline, Result, Settings, Signing, Spent, queries_of, result_of
from benchmarks.signed_file import Recipe, SignedFile, read_recipe
from benchmarks.signing import PART, sign_into
from benchmarks.workload import FUNDED_UNITS, Profile, Scene, Writer, scene_of, units_for
from primitives.address import encode_address
from primitives.codec import Malformed
from primitives.codes import Code
from primitives.transaction import decode_transaction, signature_checks

LIFETIME_MAX: Final = 570.0  # seconds: a node takes valid_until up to 600 s ahead, and signing takes time
AFTER_SECONDS: Final = 40.0  # transactions live so much longer than the sending lasts
DRAIN_SECONDS: Final = 15.0  # beyond their life: what is still open then stays unresolved
SAMPLE_SECONDS: Final = 0.25
SIGNED_PER_SECOND: Final = 4_000  # a guess, on the safe side
PREPARE_SECONDS: Final = 60.0
PREPARE_OUTSTANDING: Final = 200
SIGNATURE_SAMPLE: Final = 500
POKES: Final = 60
ASKED_ACCOUNTS: Final = 1_000
DRY_SHARE: Final = 0.02  # of the measured time of a closed loop, at its end, in which nothing may be left to send
BEGIN_SECONDS: Final = 600  # after the genesis of a network whose clock the run moves: then the load begins

Tell = Callable[[str, float], None]  # what is done, and how much of it (0 to 1)


class RunFailed(Exception):
    """The run could not be made; nothing was measured. USAGE: it cannot be made so; else something went wrong."""

    def __init__(self, detail: str, code: Code = Code.USAGE) -> None:
        super().__init__(detail)
        self.code: Final = code


@dataclass(slots=True)
class Timeline:
    """CPU seconds of the nodes and of the generators (this process counts as one), sampled while the load runs."""

    nodes: Usage = field(default_factory=Usage)
    generators: Usage = field(default_factory=Usage)
    samples: list[tuple[float, float, float]] = field(default_factory=list)

    def between(self, start: float, end: float) -> tuple[float, float]:
        """(nodes, generators) seconds within the window, to the nearest samples."""
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
    if network.furnished:
        return
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
            detail = f"{what} for the run: {done['committed']} of {len(raws)} committed, codes {codes}"
            raise RunFailed(detail, Code.OUTCOME_UNKNOWN)


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


def measure(
    network: Network, settings: Settings, profile: Profile, tell: Tell, signed: Path | None = None
) -> Result:  # fmt: skip
    """The whole run. `signed`: keep the transactions there, or take those that are there (see recipe_of).

    Raises: RunFailed, OSError if no node answers at the beginning.
    """
    _check(network, settings, profile)
    tell("prepare", 0.0)
    if isinstance(network.clock, MovedClock):
        network.clock.set(network.clock.now())
    recipe = recipe_of(network, settings, profile, signed)
    count = recipe.count
    writer = Writer(network.cast, secrets.token_hex(4), int(network.clock.now() + LIFETIME_MAX), secrets.randbits(32))
    prepare(network, writer, units_for(count, len(network.cast.tourists)))
    with tempfile.TemporaryDirectory(prefix="hnchain-load-") as folder:
        path = signed or Path(folder) / "signed"
        began = time.monotonic()
        try:
            fresh = sign_into(path, network.cast, recipe, lambda done: tell("sign", done / count))
            signing = Signing(count, fresh, time.monotonic() - began)
            with SignedFile(path) as file:
                return _measure(network, settings, Path(folder), path, file, signing, tell)
        except Malformed as error:
            raise RunFailed(str(error)) from error
        except LoadFailed as error:
            raise RunFailed(str(error), Code.OUTCOME_UNKNOWN) from error


def _check(network: Network, settings: Settings, profile: Profile) -> None:
    seconds = settings.warmup + settings.duration
    if seconds + AFTER_SECONDS > LIFETIME_MAX - 60:
        raise RunFailed(f"a run of {seconds:.0f} s: transactions live at most 600 s, so at most 470 s")
    if scene_of(profile) != Scene() and not network.owned:
        raise RunFailed(f"{profile}: only in a network made for the run, its genesis holds what the profile needs")
    if settings.outstanding and settings.outstanding < settings.generators:
        raise RunFailed(f"{settings.outstanding} outstanding: fewer than generators ({settings.generators})")


def recipe_of(network: Network, settings: Settings, profile: Profile, signed: Path | None = None) -> Recipe:
    """What is to be signed: what is in the file, if there is one and it fits.

    Raises: RunFailed if it does not.
    """
    seconds = settings.warmup + settings.duration
    count = settings.transactions
    ours, genesis = network.clock.is_ours, network.genesis
    begin = begin_of(network, settings) if ours else time.time()
    lifetime = min(LIFETIME_MAX, seconds + AFTER_SECONDS + (0 if ours else count / SIGNED_PER_SECOND + 10))
    recipe = Recipe(
        network.cast.chain_id, bytes.fromhex(network.devnet.file.seed), genesis.time, len(genesis.validators),
        len(network.cast.tourists), profile, settings.operations, secrets.token_hex(4), int(begin),
        int(begin + lifetime), count, PART,
    )  # fmt: skip
    if signed is None or not signed.exists():
        return recipe
    try:
        kept = read_recipe(signed)
    except Malformed as error:
        raise RunFailed(str(error)) from error
    for name in ("chain_id", "tourists", "profile", "operations"):
        if getattr(kept, name) != getattr(recipe, name):
            raise RunFailed(f"{signed} was signed with another {name}: {getattr(kept, name)!r}")
    if kept.count < count or kept.valid_until - kept.begin_s < int(seconds + AFTER_SECONDS):
        raise RunFailed(f"{signed} holds {kept.count} transactions for a shorter run, this one needs {count}")
    return kept


def begin_of(network: Network, settings: Settings) -> float:
    """Block time at the start of the load, where it is ours: the midnight of a profile that has one lies in the middle
    of the load, also of one that is shorter than that for which its transactions were signed first."""
    if scene_of(cast(Profile, settings.profile)).midnight:
        return midnight_of(network.genesis) - (settings.warmup + settings.duration) / 2
    return float(network.genesis.time + BEGIN_SECONDS)


def _measure(
    network: Network, settings: Settings, folder: Path, path: Path, file: SignedFile, signing: Signing, tell: Tell
) -> Result:  # fmt: skip
    recipe = file.recipe
    checks = [len(signature_checks(decode_transaction(file.raw(n)))) for n in range(min(len(file), SIGNATURE_SAMPLE))]
    folders = {place.name: network.devnet.folder(place) for place in network.devnet.places}
    first = min((place[0] for place in standing(network).values() if place is not None), default=0)
    sizes = {name: folder_bytes(one) for name, one in folders.items()}
    before = verifies_per_second()
    if isinstance(network.clock, MovedClock):
        network.clock.set(begin_of(network, settings))
    orders = orders_for(network, settings, folder, path, recipe)
    found, timeline = asyncio.run(_load(network, settings, orders, tell))
    books, asked = [one.sent for one in found], together([one.asked for one in found])
    after = verifies_per_second()
    tell("inspect", 0.0)
    _check_supply(settings, books, settings.transactions)
    chain = inspect(network, first, set(_committed_ids(file, books)))
    nodes, generators = timeline.between(settings.warmup, settings.warmup + settings.duration)
    growth = {name: folder_bytes(one) - sizes[name] for name, one in folders.items()}
    spent = Spent(nodes, generators, timeline.nodes.memory_mib, growth)
    baseline = Baseline(before, after, sum(checks) / max(1, len(checks)))
    result = result_of(together(books), settings, hardware(), baseline, spent, chain, signing)
    return replace(result, queries=queries_of(asked, settings))


def orders_for(network: Network, settings: Settings, folder: Path, signed: Path, recipe: Recipe) -> list[Orders]:
    """One share per generator process; the first one also makes blocks when the chain's time has to pass."""
    parts, seconds = settings.generators, settings.warmup + settings.duration
    lifetime = recipe.valid_until - network.clock.now()
    late = recipe.valid_until + POKES
    pokes = [Writer(network.cast, f"{secrets.token_hex(4)}.poke", late, n).poke() for n in range(POKES)]
    share, rest = divmod(settings.outstanding, parts)
    accounts = [encode_address(tourist.address) for tourist in network.cast.tourists[:ASKED_ACCOUNTS]]
    return [
        Orders(
            signed=str(signed), answer=str(folder / f"answer{part}"), part=part, parts=parts, urls=list(network.urls),
            ingress=network.ingress() if settings.transport == "ingress" else [], rate=settings.rate,
            outstanding=share + (part < rest), seconds=seconds, lifetime=lifetime, give_up=lifetime + DRAIN_SECONDS,
            pokes=pokes if part == 0 else [], count=settings.transactions,
            queries=settings.queries_per_second, accounts=accounts,
        )
        for part in range(parts)
    ]  # fmt: skip


def _committed_ids(file: SignedFile, books: Sequence[Book]) -> Iterator[str]:
    for part, book in enumerate(books):
        for n in range(book.released):
            if book.ending[n] == Ending.COMMITTED:
                yield file.id(part + len(books) * n).hex()


def _check_supply(settings: Settings, books: Sequence[Book], count: int) -> None:
    """A closed loop that had nothing left to send would be told as a slow network; one that stood still is slow.
    `count`: of all processes, each has its share of them. Raises: RunFailed."""
    wanted, parts = settings.warmup + settings.duration, len(books)
    for part, book in enumerate(books):
        own = len(range(part, count, parts))
        last = book.intended[book.released - 1] if book.released else 0.0
        if settings.outstanding and book.released >= own and wanted - last > DRY_SHARE * settings.duration:
            more = math.ceil(1.5 * parts * own / max(last, 0.1))
            detail = f"all {own} signed transactions were sent after {last:.1f} s of {wanted:.1f} s: --supply {more}"
            raise RunFailed(detail if parts == 1 else f"process {part}: {detail}", Code.OUTCOME_UNKNOWN)


async def _load(
    network: Network, settings: Settings, orders: Sequence[Orders], tell: Tell
) -> tuple[list[Books], Timeline]:  # fmt: skip
    timeline = Timeline()
    async with Fleet(orders) as fleet:
        loading = asyncio.create_task(fleet.run())
        driving = asyncio.create_task(network.clock.drive())
        seconds = settings.warmup + settings.duration
        try:
            while not loading.done():
                at = time.monotonic() - fleet.started
                generators = timeline.generators.sample(fleet.processes) + own_cpu_seconds()
                timeline.samples.append((at, timeline.nodes.sample(network.processes()), generators))
                tell("load", min(max(at / seconds, 0.0), 1.0))
                await asyncio.wait([loading], timeout=SAMPLE_SECONDS)
            return await loading, timeline
        finally:
            loading.cancel()
            driving.cancel()
