"""A throw-away network in which any number of tourists have accounts and points from the start, and all of them sign.

A genesis file that names a million people would be what is measured when a node starts. So blocks without transactions
bring them into the state, certified by the validators' keys: one ledger is made, and every node begins with a copy.
"""

import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, overload

from benchmarks.crowd import crowd_state
from benchmarks.lone_node import LoneNode
from benchmarks.network import Network, bench_genesis, demo_keys, started
from benchmarks.workload import Actor, Cast, cast_of, tourist_key
from chainnode.config import load_config
from chainnode.devnet import Devnet
from chainnode.devnet_layout import vote_key
from points.days import day_of, expiry_after
from primitives.genesis import Genesis, chain_id
from primitives.keys import Address, PublicKey, address_of

VALIDATORS: Final = 4
QUORUM: Final = 3
BEGUN_SECONDS: Final = 60  # before now: so old is the chain when its blocks are made, 20 ms of block time apart
VALID_DAYS: Final = 300  # of everybody's points
PIECE: Final = 10_000  # people


class People(Sequence[Actor]):
    """The tourists of a network, each made when it is asked for: a million keys would fill the memory."""

    def __init__(self, seed: bytes, size: int) -> None:
        self._seed: Final = seed
        self._size: Final = size

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, at: int) -> Actor: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[Actor]: ...

    def __getitem__(self, at: int | slice) -> Actor | Sequence[Actor]:
        numbers = range(self._size)[at]
        return self._actor(numbers) if isinstance(numbers, int) else [self._actor(number) for number in numbers]

    def _actor(self, number: int) -> Actor:
        key = tourist_key(self._seed, number)
        return Actor(key, address_of(key.public_key))


@contextmanager
def crowded_network(accounts: int, folder: Path) -> Iterator[Network]:
    """So many tourists and four validators, below `folder`; stopped and removed at the end. Raises: NodeFailure,
    FatalError."""
    seed = secrets.token_bytes(32)
    genesis = bench_genesis(seed, VALIDATORS, 0, int(time.time()) - BEGUN_SECONDS)
    cast = replace(cast_of(chain_id(genesis), seed, demo_keys(seed), 0), tourists=People(seed, accounts))
    with started(genesis, seed, folder, furnish=lambda devnet: furnish(devnet, genesis, cast, seed)) as devnet:
        urls = tuple(node.url for node in devnet.places)
        yield Network(devnet, genesis, cast, urls, owned=True, furnished=True)


def furnish(devnet: Devnet, genesis: Genesis, cast: Cast, seed: bytes) -> None:
    """One data directory with everybody in it, its tables merged as after a long rest; copies for all nodes. Nothing of
    it has to survive a power cut. Raises: FatalError."""
    first, *others = [Path(load_config(devnet.folder(place) / "node.toml").data) for place in devnet.places]
    shutil.rmtree(first)
    keys = [vote_key(seed, number) for number in range(QUORUM)]
    node = LoneNode(first, genesis, durable=False, keys=keys)
    try:
        expiry = expiry_after(day_of(genesis.time) + VALID_DAYS)
        for changes in crowd_state(cast.merchants, len(cast.tourists), _person(seed), expiry, PIECE):
            node.fill(changes)
        node.store.compact(b"\x00", b"\xff")
    finally:
        node.close()
    for other in others:
        shutil.rmtree(other)
        shutil.copytree(first, other)


def _person(seed: bytes) -> Callable[[int], tuple[PublicKey, Address]]:
    """Key and address of a tourist by number."""

    def person(number: int) -> tuple[PublicKey, Address]:
        key = tourist_key(seed, number).public_key
        return key, address_of(key)

    return person
