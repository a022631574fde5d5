"""The people of a scenario: a key for each name, always the same, and the genesis that admits them."""

from collections.abc import Mapping
from typing import Final, get_args

from chainnode.play_scenario import FUND_NAME, Identity, Scenario
from primitives.address import encode_address
from primitives.codec import Malformed
from primitives.genesis import (
    FORMAT,
    Genesis,
    GenesisAccount,
    GenesisClass,
    GenesisMerchant,
    Role,
    chain_id,
    check_genesis,
)
from primitives.hashing import tagged_hash
from primitives.json_form import from_plain
from primitives.keys import Address, PublicKey, SigningKey, address_of
from primitives.kinds import AccountKey, ClassCreate
from primitives.validators import Validator

TAG_PLAY: Final = b"hn/play"
FUND_ADDRESS: Final = Address(bytes(20))
IMPLICIT_CUSTODIAN: Final = "custodian*"  # signs for FUND when the file names no custodian; cannot be written in a file
VALIDATOR_NAME: Final = "validator"
FURTHER_KEYS: Final = 8  # "A#2" to "A#8"


def signing_key(name: str) -> SigningKey:
    """The key of a name, "A" or "A#2" for a further one. Public by construction: for test networks only."""
    return SigningKey.from_seed(tagged_hash(TAG_PLAY, b"identity/" + name.encode()))


class Cast:
    """Every identity of a scenario with its key and address, and back from address to name."""

    def __init__(self, identities: Mapping[str, Identity]) -> None:
        custodians = [name for name, identity in identities.items() if identity.role == "custodian"]
        self.custodian: Final = custodians[0] if custodians else IMPLICIT_CUSTODIAN
        everyone = dict(identities) if custodians else {**identities, IMPLICIT_CUSTODIAN: Identity("custodian")}
        self.identities: Final[Mapping[str, Identity]] = everyone
        self._keys: Final = {name: signing_key(name) for name in everyone}
        self.addresses: Final = {name: address_of(key.public_key) for name, key in self._keys.items()}
        self.addresses[FUND_NAME] = FUND_ADDRESS
        self._names: Final = {encode_address(address): name for name, address in self.addresses.items()}

    def key(self, name: str, path: str) -> SigningKey:
        """The key that signs for a name; FUND's is its custodian's (D11). Malformed for a stranger."""
        key = self._keys.get(self.custodian if name == FUND_NAME else name)
        if key is None:
            raise Malformed(f"{path}: {name!r} is not in $.identities")
        return key

    def sender(self, name: str, path: str) -> Address:
        """The account that sends when a step is `as` this name."""
        return address_of(self.key(name, path).public_key)

    def text_of(self, name: str) -> str | None:
        """The bech32m address of a name, None for a stranger."""
        address = self.addresses.get(name)
        return None if address is None else encode_address(address)

    def name_of(self, text: str) -> str | None:
        """The name of a bech32m address, None if it is nobody's."""
        return self._names.get(text)


def build_genesis(scenario: Scenario, cast: Cast, validators: tuple[Validator, ...]) -> Genesis:
    """The genesis of a play: everybody admitted, reserves attested at its time, the test clock on (C14).

    Raises: Malformed with the path in the scenario file.
    """
    genesis = Genesis(
        format=FORMAT,
        name="play",
        time=scenario.start,
        validators=validators,
        accounts=tuple(_account(cast, name) for name, who in cast.identities.items() if who.role != "unopened"),
        merchants=tuple(_merchant(cast, name) for name, who in cast.identities.items() if who.role == "merchant"),
        classes=tuple(_class(cast, name, plain) for name, plain in scenario.classes.items()),
        parameters=scenario.parameters,
        test_clock=True,
    )
    fault = next(iter(check_genesis(genesis)), None)
    if fault is not None:
        raise Malformed(f"the genesis of this scenario: {fault}")
    return genesis


def single_validator() -> tuple[SigningKey, tuple[Validator, ...]]:
    """The voting key and the set of a network of one, for engines without a network."""
    key = validator_key(VALIDATOR_NAME)
    return key, (Validator(VALIDATOR_NAME, key.public_key, b""),)


def validator_key(name: str) -> SigningKey:
    """The voting key of a validator, "V" or "V#2" for a further one: another key than that of an identity."""
    return signing_key(name + "*")


def voting_key_of(name: str, public: bytes) -> SigningKey | None:
    """The private key of a validator that a scenario made up; None for a key that it wrote as hex."""
    candidates = (validator_key(text) for text in (name, *(f"{name}#{n}" for n in range(2, FURTHER_KEYS + 1))))
    return next((key for key in candidates if key.public_key == public), None)


def play_chain_id(genesis: Genesis) -> bytes:
    """The chain id that every transaction of the play names."""
    return chain_id(genesis)


def _account(cast: Cast, name: str) -> GenesisAccount:
    who = cast.identities[name]
    role: Role = next(role for role in get_args(Role) if role == who.role)
    public: PublicKey = cast.key(name, "$.identities").public_key
    return GenesisAccount((AccountKey(public),), role, tier=who.tier, weight=who.weight)


def _merchant(cast: Cast, name: str) -> GenesisMerchant:
    who = cast.identities[name]
    plain = {
        "account": cast.text_of(name), "category": who.category, "name_zh": name, "name_en": name,
        "reserve": who.reserve, "credit_limit": who.credit_limit, "quota": who.quota,
    }  # fmt: skip
    return from_plain(GenesisMerchant, plain, f"$.identities.{name}")


def _class(cast: Cast, name: str, plain: object) -> GenesisClass:
    path = f"$.classes.{name}"
    if not isinstance(plain, dict) or "issuer" not in plain:
        raise Malformed(f"{path}.issuer: missing")
    if "class" in plain:
        raise Malformed(f"{path}.class: unknown field")
    issuer = cast.addresses.get(plain["issuer"]) if isinstance(plain["issuer"], str) else None
    if issuer is None:
        raise Malformed(f"{path}.issuer: {plain['issuer']!r} is not in $.identities")
    fields = {key: value for key, value in plain.items() if key != "issuer"}
    return GenesisClass(issuer, from_plain(ClassCreate, {**fields, "class": name}, path))
