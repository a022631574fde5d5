"""The people of a simulated year: twenty merchants, offices, and tourists who come for a week, spend and leave.

Nothing is signed: envelopes carry the right keys and empty signatures, and the rules run as they do where admission has
checked every signature already. What is measured is the rules and the state, not Ed25519.
"""

from dataclasses import dataclass
from itertools import count
from typing import Final

from primitives.genesis import FORMAT, Genesis, GenesisAccount, GenesisClass, GenesisMerchant, Role, chain_id
from primitives.hashing import tagged_hash
from primitives.keys import Address, PublicKey, SigningKey, address_of
from primitives.kinds import AccountKey, Body, Category, ClassCreate, PayCode, PaymentRequest
from primitives.transaction import Decoded, Envelope, KeySignature, Transaction, transaction_id

TAG_YEAR: Final = b"hn/year"
MERCHANTS: Final = 20
RESERVE_FEN: Final = 4 * 10**9  # of each: nobody comes near a cap, so that what is refused is refused for a reason
CATEGORIES: Final[tuple[Category, ...]] = ("TRANSPORT", "HOTEL", "DINING_RETAIL", "CULTURE_ENT")
TERMS: Final = (
    ClassCreate("", uv=10_000, validity_days=365, bucket="MONTH_END", transferable=True),
    ClassCreate("", uv=10_000, validity_days=90, transferable=True),
    ClassCreate("", uv=5_000, validity_days=180, pending_days=2),
    ClassCreate("", uv=9_999, validity_days=30, transferable=True),
)  # of the merchants in turn; each has a second class for campaigns
CAMPAIGN_TERMS: Final = ClassCreate("", uv=10_000, validity_days=30)
OFFICES: Final[tuple[tuple[str, Role], ...]] = (
    ("operator", "operator"), ("regulator", "regulator"), ("custodian", "custodian"), ("attester", "attester"),
    ("member0", "committee"), ("member1", "committee"), ("member2", "committee"),
)  # fmt: skip
MEMBERS: Final = ("member0", "member1", "member2")
NO_SIGNATURE: Final = bytes(64)
VALID_SECONDS: Final = 300


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who acts: an address and the key behind it."""

    name: str
    address: Address
    key: PublicKey


@dataclass(frozen=True, slots=True)
class Shop:
    """A merchant with its ordinary class and the one of its campaigns."""

    person: Person
    class_id: str
    uv: int
    transferable: bool
    gift_class: str


def person(name: str) -> Person:
    """The same name gives the same key."""
    key = SigningKey.from_seed(tagged_hash(TAG_YEAR, name.encode())).public_key
    return Person(name, address_of(key), key)


def shops() -> tuple[Shop, ...]:
    """All merchants, categories and terms in turn."""
    found = []
    for number in range(MERCHANTS):
        terms = TERMS[number // len(CATEGORIES) % len(TERMS)]
        found.append(Shop(person(f"m{number}"), f"p{number}", terms.uv, terms.transferable, f"g{number}"))
    return tuple(found)


def offices() -> dict[str, Person]:
    """By name."""
    return {name: person(name) for name, _ in OFFICES}


def year_genesis(start: int) -> Genesis:
    """Everybody but the tourists, who open their accounts when they arrive."""
    cast, staff = shops(), offices()
    accounts = [GenesisAccount((AccountKey(shop.person.key),), "merchant") for shop in cast]
    accounts += [
        GenesisAccount((AccountKey(staff[name].key),), role, weight=int(role == "committee")) for name, role in OFFICES
    ]
    classes = []
    for number, shop in enumerate(cast):
        terms = TERMS[number // len(CATEGORIES) % len(TERMS)]
        for class_id, of in ((shop.class_id, terms), (shop.gift_class, CAMPAIGN_TERMS)):
            fields = {name: getattr(of, name) for name in of.__struct_fields__} | {"class_id": class_id}
            classes.append(GenesisClass(shop.person.address, ClassCreate(**fields)))
    merchants = tuple(
        GenesisMerchant(shop.person.address, CATEGORIES[n % 4], shop.person.name, shop.person.name, reserve=RESERVE_FEN)
        for n, shop in enumerate(cast)
    )
    return Genesis(FORMAT, "year", start, (), tuple(accounts), merchants, tuple(classes))


class Pen:
    """Writes transactions of one chain; nonces count up."""

    def __init__(self, genesis: Genesis) -> None:
        self.chain_id: Final = chain_id(genesis)
        self._nonces: Final = count(1)

    def write(self, now: int, sender: bytes, keys: tuple[PublicKey, ...], body: Body) -> Decoded:
        """A transaction that is valid at block time `now`."""
        nonce = next(self._nonces).to_bytes(16, "big")
        envelope = Envelope(self.chain_id, Address(sender), nonce, now + VALID_SECONDS, body)
        transaction = Transaction(envelope, tuple(KeySignature(key, NO_SIGNATURE) for key in keys))
        return Decoded(b"", transaction, transaction_id(envelope))


def request_of(shop: Shop, order: str, value: int, now: int) -> PaymentRequest:
    """What the shop shows to be paid."""
    return PaymentRequest(shop.person.address, order, value, now + VALID_SECONDS, shop.person.key, NO_SIGNATURE)


def code_of(payer: Person, number: int, most: int, until: int, shop: Shop | None) -> PayCode:
    """What a tourist shows to pay."""
    merchant = None if shop is None else shop.person.address
    return PayCode(payer.address, payer.key, number, most, until, NO_SIGNATURE, merchant)
