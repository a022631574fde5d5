"""The network under load: a local one that runs already, or a throw-away one made for the run."""

import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from benchmarks.network_clock import MovedClock, NetworkClock, WallClock
from benchmarks.workload import (
    DAY_SUFFIX,
    Cast,
    Profile,
    Scene,
    cast_of,
    demo_merchants,
    extra_merchants,
    scene_of,
    tourist_key,
)
from chainnode.config import config_text, load_config
from chainnode.devnet import Devnet, create, open_devnet
from chainnode.devnet_calls import NoAnswer, Refused
from chainnode.devnet_layout import devnet_genesis, place_on
from chainnode.eight_lanes import Lanes
from chainnode.listening_ports import free_ports
from cli.devnet_wallets import demo_wallets
from points.days import DAY_SECONDS, day_of, expiry_after
from primitives.genesis import Genesis, GenesisAccount, GenesisClass, GenesisMerchant, chain_id, load_genesis
from primitives.keys import SigningKey
from primitives.kinds import AccountKey, Category, ClassCreate

CATEGORIES: Final[tuple[Category, ...]] = ("TRANSPORT", "HOTEL", "DINING_RETAIL", "CULTURE_ENT")
RESERVE_FEN: Final = 10**12  # of each merchant of a throw-away network: no run comes near its cap
READY_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Network:
    """Where to send, who signs, and what can be looked at from this machine. `owned`: made for this run. `furnished`:
    everybody has points from the start, and the state is too large to recompute its invariants."""

    devnet: Devnet
    genesis: Genesis
    cast: Cast
    urls: tuple[str, ...]
    owned: bool
    clock: NetworkClock = field(default_factory=WallClock)
    furnished: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Of the nodes, in the order of `urls`."""
        return tuple(place.name for place in self.devnet.places)

    def processes(self) -> dict[str, int | None]:
        """Process ids by name; None where the node does not run."""
        return {place.name: self.devnet.process(place) for place in self.devnet.places}

    def ingress(self) -> list[tuple[str, int]]:
        """Host and port of every node's binary ingress."""
        return [("127.0.0.1", place.ingress_port) for place in self.devnet.places]

    def statuses(self) -> dict[str, Any]:
        """/v1/status of every node by name, None where it does not answer."""
        return {place.name: self.devnet.status(place) for place in self.devnet.places}

    def invariants(self) -> list[str] | None:
        """Broken invariants as the first node that answers computes them; None if none does, or the state is so large
        that nobody should be asked."""
        for place in () if self.furnished else self.devnet.places:
            try:
                found: list[str] = self.devnet.admin(place, "GET", "/admin/invariants", seconds=120.0)["violations"]
            except (NoAnswer, Refused, OSError):
                continue
            return found
        return None


def demo_keys(seed: bytes) -> dict[str, SigningKey]:
    """First keys of the demo identities by name."""
    return {name: wallet.key for name, wallet in demo_wallets(seed).items()}


def running_network(directory: Path, tourists: int, nodes: Sequence[str] = ()) -> Network:
    """A local network by its folder. `nodes`: send to these addresses only.

    Raises: BadConfiguration if the folder holds none; Malformed for a damaged genesis.
    """
    devnet = open_devnet(directory)
    seed = bytes.fromhex(devnet.file.seed)
    genesis = load_genesis((directory / "genesis.json").read_bytes())
    cast = cast_of(chain_id(genesis), seed, demo_keys(seed), tourists)
    urls = tuple(nodes) or tuple(place.url for place in devnet.places)
    return Network(devnet, genesis, cast, urls, owned=False)


def bench_genesis(
    seed: bytes, validators: int, tourists: int, now: int, scene: Scene | None = None, moved: bool = False
) -> Genesis:
    """The genesis of a local network with benchmark tourists and reserves that no run exhausts.

    A scene with a midnight begins at noon of a day (UTC+8), with a clock that the run moves, as with `moved`.
    """
    scene = scene or Scene()
    keys = demo_keys(seed)
    time_s = expiry_after(day_of(now)) - DAY_SECONDS // 2 if scene.midnight else now
    genesis = devnet_genesis(seed, time_s, validators, keys, test_clock=moved or scene.midnight)
    shops = extra_merchants(seed, scene.merchants)
    merchants = tuple(replace(merchant, reserve=RESERVE_FEN) for merchant in genesis.merchants)
    return replace(
        genesis,
        accounts=(
            *genesis.accounts,
            *(GenesisAccount((AccountKey(tourist_key(seed, i).public_key),), tier=2) for i in range(tourists)),
            *(GenesisAccount((AccountKey(shop.key.public_key),), "merchant") for shop in shops),
        ),
        merchants=(
            *merchants,
            *(
                GenesisMerchant(shop.address, CATEGORIES[i % 4], shop.class_id, shop.class_id, reserve=RESERVE_FEN)
                for i, shop in enumerate(shops)
            ),
        ),
        classes=(
            *genesis.classes,
            *(GenesisClass(shop.address, ClassCreate(shop.class_id, uv=10_000, validity_days=365)) for shop in shops),
            *(
                GenesisClass(shop.address, ClassCreate(shop.class_id + DAY_SUFFIX, uv=10_000, validity_days=1))
                for shop in demo_merchants(keys) if scene.midnight
            ),
        ),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Origin:
    """What a throw-away network is made of again: the same seed and unix time give the same chain id. Its clock is one
    that the run moves, so that what was signed for it then is in time now."""

    seed: bytes
    time_s: int


def midnight_of(genesis: Genesis) -> int:
    """When the perishable points of a scene with a midnight expire: unix seconds."""
    return expiry_after(day_of(genesis.time) + 1)


@contextmanager
def throwaway_network(
    validators: int, tourists: int, folder: Path, profile: Profile = "mixed", lanes: Lanes = "auto",
    origin: Origin | None = None,
) -> Iterator[Network]:  # fmt: skip
    """A network of real processes below `folder`, on ports that were free; stopped and removed at the end.

    `lanes`: of the nodes' configuration. `origin`: None for a new one. Raises: BadConfiguration if it does not come up.
    """
    seed = secrets.token_bytes(32) if origin is None else origin.seed
    scene = scene_of(profile)
    time_s = int(time.time()) if origin is None else origin.time_s
    genesis = bench_genesis(seed, validators, tourists, time_s, scene, moved=origin is not None)
    with started(genesis, seed, folder, lanes) as devnet:
        cast = cast_of(chain_id(genesis), seed, demo_keys(seed), tourists, scene)
        clock = MovedClock(devnet, genesis.time) if genesis.test_clock else WallClock()
        yield Network(devnet, genesis, cast, tuple(node.url for node in devnet.places), owned=True, clock=clock)


@contextmanager
def started(
    genesis: Genesis, seed: bytes, folder: Path, lanes: Lanes = "auto", furnish: Callable[[Devnet], None] | None = None
) -> Iterator[Devnet]:
    """Real processes of this genesis below `folder`, ready for transactions; stopped and removed at the end.

    `furnish`: what is done with their folders before the first one starts. Raises: as throwaway_network.
    """
    place = Path(tempfile.mkdtemp(prefix="hnchain-bench-", dir=folder))
    try:
        devnet = create(place / "net", seed, place_on(free_ports(4 * len(genesis.validators))), genesis)
        if furnish is not None:
            furnish(devnet)
        try:
            for node in devnet.places:
                _set_lanes(devnet.folder(node) / "node.toml", lanes)
                devnet.start(node)
            devnet.wait_ready(devnet.places, READY_SECONDS)
            yield devnet
        finally:
            devnet.stop()
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _set_lanes(config: Path, lanes: Lanes) -> None:
    config.write_text(config_text(replace(load_config(config), lanes=lanes)), encoding="utf-8")
