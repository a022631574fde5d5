"""Transactions for a run, all signed before the clock starts: issues, redemptions, envelopes of issues.

The people are those of a local network's seed: its four demo merchants with their classes, and tourists made for
benchmarks. A redemption holds a payment request that its merchant signed, as in a shop: two signatures to verify.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

from chainnode.devnet_layout import PEOPLE, derived_seed
from primitives.hashing import Digest
from primitives.keys import Address, Signature, SigningKey, address_of
from primitives.kinds import (
    AccountKey,
    AccountOpen,
    BatchOperations,
    Body,
    Issue,
    PaymentRequest,
    Redeem,
)
from primitives.transaction import Envelope, request_digest, sign_transaction, sponsor_digest

Profile = Literal["mixed", "uniform", "hot-issuer", "hot-merchant", "batch"]
PROFILES: Final = get_args(Profile)
BATCH_OPERATIONS: Final = 100
ISSUED_UNITS: Final = 20  # 1 unit = 1 fen in the demo merchants' classes
CASH_FEN: Final = 200  # of the purchase: ten times the points
REDEEMED_FEN: Final = 10
FUNDED_UNITS: Final = 1_000  # before the run, per tourist: a hundred redemptions, and every issue pays two more


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who signs. `class_id`: of a merchant's own points, "" for a tourist."""

    key: SigningKey
    address: Address
    class_id: str = ""


@dataclass(frozen=True, slots=True)
class Cast:
    """Everybody in a run."""

    chain_id: Digest
    merchants: tuple[Actor, ...]
    tourists: tuple[Actor, ...]


def tourist_key(seed: bytes, index: int) -> SigningKey:
    """Of a benchmark tourist of the network with this seed."""
    return SigningKey.from_seed(derived_seed(seed, f"bench/{index}"))


def cast_of(chain_id: Digest, seed: bytes, keys: dict[str, SigningKey], tourists: int) -> Cast:
    """The people of a local network; `keys` are those of its demo identities, by name."""
    merchants = tuple(
        Actor(keys[p.name], address_of(keys[p.name].public_key), p.name) for p in PEOPLE if p.role == "merchant"
    )
    made = (tourist_key(seed, index) for index in range(tourists))
    return Cast(chain_id, merchants, tuple(Actor(key, address_of(key.public_key)) for key in made))


class Writer:
    """Makes and signs transactions of one run. `run`: distinguishes its order ids from all others."""

    def __init__(self, cast: Cast, run: str, valid_until: int, seed: int) -> None:
        self.cast: Final = cast
        self._run: Final = run
        self._valid_until: Final = valid_until
        self._random: Final = random.Random(seed)  # not a secret: nonces only have to differ
        self._orders = 0

    def openings(self, tourists: Sequence[Actor]) -> list[bytes]:
        """account_open for each, sponsored by the merchants in turn."""
        found = []
        for number, tourist in enumerate(tourists):
            sponsor = self.cast.merchants[number % len(self.cast.merchants)]
            keys = (AccountKey(tourist.key.public_key),)
            agreed = sponsor.key.sign(sponsor_digest(self.cast.chain_id, sponsor.address, keys, 1))
            body = AccountOpen(keys, 1, sponsor.address, sponsor.key.public_key, agreed)
            found.append(self._sign(tourist, body))
        return found

    def funding(self) -> list[bytes]:
        """Envelopes that give every tourist points of one merchant, merchants in turn."""
        merchants = self.cast.merchants
        lists: list[list[Issue]] = [[] for _ in merchants]
        for number, tourist in enumerate(self.cast.tourists):
            giver = number % len(merchants)
            lists[giver].append(self._issue(merchants[giver], tourist, FUNDED_UNITS, FUNDED_UNITS * 10))
        found = []
        for merchant, issues in zip(merchants, lists, strict=True):
            for start in range(0, len(issues), BATCH_OPERATIONS):
                found.append(self._sign(merchant, BatchOperations(tuple(issues[start : start + BATCH_OPERATIONS]))))
        return found

    def transactions(self, profile: Profile, count: int) -> Iterator[bytes]:
        """`count` transactions of a profile.

        mixed: issues and redemptions in turn, people drawn at random. uniform: the same, everybody strictly in turn.
        hot-issuer: one merchant issues everything. hot-merchant: everybody pays one merchant. batch: envelopes of 100
        issues.
        """
        make = self._maker(profile)
        for number in range(count):
            yield make(number)

    def poke(self) -> bytes:
        """A transaction whose only purpose is a block."""
        return self._sign(self.cast.merchants[0], self._issue(self.cast.merchants[0], self.cast.tourists[0]))

    def _maker(self, profile: Profile) -> Callable[[int], bytes]:
        merchants, tourists = self.cast.merchants, self.cast.tourists
        choose = self._random.choice

        def turn(number: int, people: Sequence[Actor]) -> Actor:
            return people[number % len(people)]

        match profile:
            case "mixed":
                return lambda n: self._either(n % 2 == 0, choose(merchants), choose(tourists))
            case "uniform":
                return lambda n: self._either(n % 2 == 0, turn(n // 2, merchants), turn(n // 2, tourists))
            case "hot-issuer":
                return lambda n: self._either(True, merchants[0], turn(n, tourists))
            case "hot-merchant":
                return lambda n: self._either(False, merchants[0], turn(n, tourists))
            case "batch":
                return lambda n: self._envelope(turn(n, merchants))

    def _either(self, issues: bool, merchant: Actor, tourist: Actor) -> bytes:
        if issues:
            return self._sign(merchant, self._issue(merchant, tourist))
        return self._sign(tourist, Redeem(self._request(merchant), REDEEMED_FEN))

    def _envelope(self, merchant: Actor) -> bytes:
        people = self._random.choices(self.cast.tourists, k=BATCH_OPERATIONS)
        return self._sign(merchant, BatchOperations(tuple(self._issue(merchant, tourist) for tourist in people)))

    def _issue(self, merchant: Actor, to: Actor, units: int = ISSUED_UNITS, cash: int = CASH_FEN) -> Issue:
        return Issue(merchant.class_id, to.address, units, self._order(), "EARN", cash)

    def _request(self, merchant: Actor) -> PaymentRequest:
        fields = (merchant.address, self._order(), REDEEMED_FEN, self._valid_until + 600, merchant.key.public_key)
        bare = PaymentRequest(*fields, sig=bytes(64))
        return PaymentRequest(*fields, sig=self._signature(merchant, request_digest(self.cast.chain_id, bare)))

    def _signature(self, by: Actor, digest: Digest) -> Signature:
        return by.key.sign(digest)

    def _order(self) -> str:
        self._orders += 1
        return f"{self._run}-{self._orders}"

    def _sign(self, sender: Actor, body: Body) -> bytes:
        nonce = self._random.randbytes(16)
        return sign_transaction(
            Envelope(self.cast.chain_id, sender.address, nonce, self._valid_until, body), [sender.key]
        )
