"""Transactions for a run, all signed before the clock starts: issues, redemptions, envelopes of issues.

The people are those of a local network's seed: its four demo merchants with their classes, and tourists made for
benchmarks; some profiles bring merchants or classes of their own. A redemption holds a payment request that its
merchant signed, as in a shop: two signatures to verify.
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
    WindowClose,
)
from primitives.transaction import Envelope, request_digest, sign_transaction, sponsor_digest

Profile = Literal["mixed", "uniform", "hot-issuer", "hot-merchant", "expiry-midnight", "netting-1000", "batch"]
PROFILES: Final = get_args(Profile)
BATCH_OPERATIONS: Final = 100  # unless a run asks for another number
ISSUED_UNITS: Final = 20  # 1 unit = 1 fen in the demo merchants' classes
CASH_FEN: Final = 200  # of the purchase: ten times the points
REDEEMED_FEN: Final = 10
FUNDED_UNITS: Final = 1_000  # before the run, per tourist: a hundred redemptions, and every issue pays two more
DAY_UNITS: Final = 100  # before the run, per tourist and merchant, of points that expire at the midnight of the run
DAY_SUFFIX: Final = "-day"  # of the classes whose points live for a day
NETTING_MERCHANTS: Final = 1_000
CLOSE_EVERY: Final = 2_000  # transactions of netting-1000: an operator closes the window with the last of them


@dataclass(frozen=True, slots=True)
class Scene:
    """What a profile asks of its network beside the demo people."""

    merchants: int = 0  # made for benchmarks, who then take the place of the demo merchants
    midnight: bool = False  # points that expire at a midnight, and a clock that is set to the time before it


SCENES: Final[dict[Profile, Scene]] = {
    "expiry-midnight": Scene(midnight=True), "netting-1000": Scene(merchants=NETTING_MERCHANTS),
}  # fmt: skip


def scene_of(profile: Profile) -> Scene:
    """Of most profiles: nothing but the demo people."""
    return SCENES.get(profile, Scene())


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who signs. `class_id`: of a merchant's own points, "" for a tourist."""

    key: SigningKey
    address: Address
    class_id: str = ""


@dataclass(frozen=True, slots=True)
class Cast:
    """Everybody in a run. `perishable`: every merchant also has a class whose points live for a day."""

    chain_id: Digest
    merchants: tuple[Actor, ...]
    tourists: Sequence[Actor]
    operator: Actor
    perishable: bool = False


def tourist_key(seed: bytes, index: int) -> SigningKey:
    """Of a benchmark tourist of the network with this seed."""
    return SigningKey.from_seed(derived_seed(seed, f"bench/{index}"))


def merchant_key(seed: bytes, index: int) -> SigningKey:
    """Of a benchmark merchant of the network with this seed."""
    return SigningKey.from_seed(derived_seed(seed, f"bench/merchant/{index}"))


def extra_merchants(seed: bytes, count: int) -> tuple[Actor, ...]:
    """The first so many benchmark merchants, each with the class of its points."""
    keys = (merchant_key(seed, index) for index in range(count))
    return tuple(Actor(key, address_of(key.public_key), f"bench-{index}") for index, key in enumerate(keys))


def demo_merchants(keys: dict[str, SigningKey]) -> tuple[Actor, ...]:
    """The merchants of every local network; `keys` are those of its demo identities, by name."""
    return tuple(
        Actor(keys[p.name], address_of(keys[p.name].public_key), p.name) for p in PEOPLE if p.role == "merchant"
    )


def cast_of(
    chain_id: Digest, seed: bytes, keys: dict[str, SigningKey], tourists: int, scene: Scene | None = None
) -> Cast:
    """The people of a local network; `keys` are those of its demo identities, by name."""
    scene = scene or Scene()
    merchants = extra_merchants(seed, scene.merchants) if scene.merchants else demo_merchants(keys)
    made = (tourist_key(seed, index) for index in range(tourists))
    operator = Actor(keys["operator"], address_of(keys["operator"].public_key))
    people = tuple(Actor(key, address_of(key.public_key)) for key in made)
    return Cast(chain_id, merchants, people, operator, scene.midnight)


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

    def funding(self, units: int = FUNDED_UNITS) -> list[bytes]:
        """Envelopes that give every tourist points of one merchant, merchants in turn; and perishable ones of all."""
        merchants = self.cast.merchants
        lists: list[list[Issue]] = [[] for _ in merchants]
        for number, tourist in enumerate(self.cast.tourists):
            giver = number % len(merchants)
            lists[giver].append(self._issue(merchants[giver], tourist, units, units * 10))
            for merchant, issues in zip(merchants, lists, strict=True) if self.cast.perishable else ():
                issues.append(self._issue(_for_a_day(merchant), tourist, DAY_UNITS, DAY_UNITS * 10))
        found = []
        for merchant, issues in zip(merchants, lists, strict=True):
            for start in range(0, len(issues), BATCH_OPERATIONS):
                found.append(self._sign(merchant, BatchOperations(tuple(issues[start : start + BATCH_OPERATIONS]))))
        return found

    def transactions(
        self, profile: Profile, count: int, first: int = 0, operations: int = BATCH_OPERATIONS
    ) -> Iterator[bytes]:
        """Transactions `first` to `first + count - 1` of a profile.

        mixed: issues and redemptions in turn, people drawn at random. uniform: the same, everybody strictly in turn.
        hot-issuer: one merchant issues everything. hot-merchant: everybody pays one merchant. expiry-midnight: mixed,
        with oldest points that expire while it runs. netting-1000: payments among a thousand merchants, and windows
        closed. batch: envelopes of `operations` issues.
        """
        make = self._maker(profile, operations)
        for number in range(first, first + count):
            yield make(number)

    def poke(self) -> bytes:
        """A transaction whose only purpose is a block."""
        return self._sign(self.cast.merchants[0], self._issue(self.cast.merchants[0], self.cast.tourists[0]))

    def _maker(self, profile: Profile, operations: int) -> Callable[[int], bytes]:
        merchants, tourists = self.cast.merchants, self.cast.tourists
        choose = self._random.choice

        def turn(number: int, people: Sequence[Actor]) -> Actor:
            return people[number % len(people)]

        match profile:
            case "mixed" | "expiry-midnight":
                return lambda n: self._either(n % 2 == 0, choose(merchants), choose(tourists))
            case "uniform":
                return lambda n: self._either(n % 2 == 0, turn(n // 2, merchants), turn(n // 2, tourists))
            case "hot-issuer":
                return lambda n: self._either(True, merchants[0], turn(n, tourists))
            case "hot-merchant":
                return lambda n: self._either(False, merchants[0], turn(n, tourists))
            case "netting-1000":
                return lambda n: (
                    self._sign(self.cast.operator, WindowClose()) if n % CLOSE_EVERY == CLOSE_EVERY - 1
                    else self._either(False, choose(merchants), turn(n, tourists))
                )  # fmt: skip
            case "batch":
                return lambda n: self._envelope(turn(n, merchants), operations)

    def _either(self, issues: bool, merchant: Actor, tourist: Actor) -> bytes:
        if issues:
            return self._sign(merchant, self._issue(merchant, tourist))
        return self._sign(tourist, Redeem(self._request(merchant), REDEEMED_FEN))

    def _envelope(self, merchant: Actor, operations: int) -> bytes:
        people = self._random.choices(self.cast.tourists, k=operations)
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


def _for_a_day(merchant: Actor) -> Actor:
    """The same merchant with the class of its perishable points."""
    return Actor(merchant.key, merchant.address, merchant.class_id + DAY_SUFFIX)


def units_for(count: int, tourists: int) -> int:
    """What each tourist needs so that a run of so many transactions never finds one without points."""
    return max(FUNDED_UNITS, 2 * REDEEMED_FEN * -(-count // tourists))
