"""A state with any number of tourists, and payments of people drawn from all of them.

Nothing is signed: keys are hashes and signatures are zeros, for what is measured is executing and storing. Everything
has the size of the real thing.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Final

from benchmarks.network import bench_genesis, demo_keys
from benchmarks.workload import CASH_FEN, FUNDED_UNITS, ISSUED_UNITS, REDEEMED_FEN, Actor, cast_of
from points.keys import account_key, books_key, counters_key, holdings_key, open_agg_key
from points.state import UY_PER_FEN, Account, AccountKind, Agg, Books, Counters, Holdings, Lot, encode_value
from primitives.codec import encode
from primitives.genesis import chain_id
from primitives.hashing import tagged_hash
from primitives.keys import Address, PublicKey, address_of
from primitives.kinds import AccountKey, Body, Issue, PaymentRequest, Redeem
from primitives.transaction import Decoded, Envelope, KeySignature, Transaction, decode_transaction

TAG_CROWD: Final = b"hn/crowd"
SEED: Final = bytes(range(32))
START: Final = 1_800_000_000
EXPIRY: Final = START // 86_400 * 86_400 + 300 * 86_400 + 57_600  # a midnight of UTC+8, far away
TIER: Final = 2
VALID_SECONDS: Final = 300
NO_SIGNATURE: Final = bytes(64)
FIRST_PIECE: Final = 200  # people: an empty state takes many keys at once slowly


class Crowd:
    """Tourists 0 to `size` - 1 of a chain with four merchants, each with points of one of these."""

    def __init__(self, size: int, seed: int = 1) -> None:
        self.size: Final = size
        self.genesis: Final = bench_genesis(SEED, 4, 0, START)
        self._chain_id: Final = chain_id(self.genesis)
        self._merchants: Final = cast_of(self._chain_id, SEED, demo_keys(SEED), 0).merchants
        self._random: Final = random.Random(seed)
        self._numbers: Final = count(1)

    def state(self, piece: int) -> Iterator[dict[bytes, bytes | None]]:
        """See crowd_state."""
        return crowd_state(self._merchants, self.size, _person, EXPIRY, piece)

    def block(self, transactions: int, now_s: int) -> list[Decoded]:
        """Issues and redemptions in turn, people drawn at random; valid at block time `now_s`."""
        return [decode_transaction(self._transaction(n % 2 == 0, now_s)) for n in range(transactions)]

    def _transaction(self, issues: bool, now_s: int) -> bytes:
        number = next(self._numbers)
        merchant = self._random.choice(self._merchants)
        key, address = _person(self._random.randrange(self.size))
        order = f"crowd-{number}"
        if issues:
            issue = Issue(merchant.class_id, address, ISSUED_UNITS, order, "EARN", CASH_FEN)
            return self._written(number, now_s, merchant.address, merchant.key.public_key, issue)
        return self._written(number, now_s, address, key, Redeem(_request(merchant, order, now_s), REDEEMED_FEN))

    def _written(self, number: int, now_s: int, sender: Address, key: PublicKey, body: Body) -> bytes:
        nonce = number.to_bytes(16, "big")
        envelope = Envelope(self._chain_id, sender, nonce, now_s + VALID_SECONDS, body)
        return encode(Transaction(envelope, (KeySignature(key, NO_SIGNATURE),)))


def crowd_state(
    merchants: Sequence[Actor], size: int, person: Callable[[int], tuple[PublicKey, Address]], expiry: int, piece: int
) -> Iterator[dict[bytes, bytes | None]]:
    """Accounts and holdings of people 0 to `size` - 1, `piece` of them at a time, fewer while they are few, and at last
    the sums that belong to them. Each has points of one merchant, merchants in turn; they expire at the midnight
    `expiry`."""
    start = 0
    while start < size:
        stop = min(start + min(max(start, FIRST_PIECE), piece), size)
        changes: dict[bytes, bytes | None] = {}
        for number in range(start, stop):
            key, address = person(number)
            account = Account(AccountKind.TOURIST, (AccountKey(key),), 1, tier=TIER)
            lot = Lot(expiry, merchants[number % len(merchants)].class_id, 0, 0, FUNDED_UNITS, 0)
            changes[account_key(address)] = encode_value(account)
            changes[holdings_key(address)] = encode_value(Holdings((lot,)))
        yield changes
        start = stop
    yield _sums(merchants, size, expiry)


def _sums(merchants: Sequence[Actor], size: int, expiry: int) -> dict[bytes, bytes | None]:
    changes: dict[bytes, bytes | None] = {}
    for position, merchant in enumerate(merchants):
        units = len(range(position, size, len(merchants))) * FUNDED_UNITS
        changes[open_agg_key(expiry, merchant.class_id)] = encode_value(Agg(units, 0))
        changes[counters_key(merchant.class_id)] = encode_value(Counters(issued=units))
        value = units * UY_PER_FEN
        changes[books_key(merchant.address)] = encode_value(Books(outstanding=value, issued=value))
    return changes


def _person(number: int) -> tuple[PublicKey, Address]:
    key = PublicKey(tagged_hash(TAG_CROWD, number.to_bytes(8, "big")))
    return key, address_of(key)


def _request(merchant: Actor, order: str, now_s: int) -> PaymentRequest:
    until = now_s + VALID_SECONDS
    return PaymentRequest(merchant.address, order, REDEEMED_FEN, until, merchant.key.public_key, NO_SIGNATURE)
