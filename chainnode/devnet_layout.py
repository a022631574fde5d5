"""What a local network consists of: ports, identities, genesis and one configuration per node. Pure functions.

Keys are derived from one 32-byte seed, so that the same seed gives the same genesis. A devnet's keys are for trying
things out: they lie beside the ledger and every demo wallet has the same well-known passphrase.
"""

from dataclasses import dataclass
from typing import Final

from chainnode.config import AdminSection, HttpSection, IngressSection, NodeConfig, PeerSection
from chainnode.handshake import TransportIdentity, create_identity
from primitives.genesis import FORMAT, Genesis, GenesisAccount, GenesisClass, GenesisMerchant, Limits, Parameters, Role
from primitives.hashing import tagged_hash
from primitives.keys import SigningKey, address_of
from primitives.kinds import AccountKey, Category, ClassCreate
from primitives.validators import VALIDATORS_MAX, VALIDATORS_MIN, Validator

PORTS_PER_NODE: Final = 10  # four in use; round numbers are easier to remember
PORT_BASE: Final = 26600  # node 0: peers 26600, API 26601, admin 26602, ingress 26603
PORT_MAX: Final = 65535
NETWORK_NAME: Final = "hainan-devnet"
DEMO_FILING: Final = "琼-演示-未备案"  # a filing number is shown to users; this one says that there is none
TAG_DEVNET: Final = b"hn/devnet"
RESERVE_FEN: Final = 40_000_000  # 400,000 CNY attested for each demo merchant: a cap of 1,000,000 CNY at 40 %
DEMO_LIMITS: Final = Limits()
DEMO_PARAMETERS: Final = Parameters(operator_validators=1)  # drills swap validators within seconds, without a vote


@dataclass(frozen=True, slots=True)
class NodePlace:
    """Where one node listens, on the loopback interface only."""

    index: int
    name: str
    peer_port: int
    http_port: int
    admin_port: int
    ingress_port: int

    @property
    def ports(self) -> tuple[int, ...]:
        """All of them, for the pre-flight."""
        return (self.peer_port, self.http_port, self.admin_port, self.ingress_port)

    @property
    def url(self) -> str:
        """Of the public API."""
        return f"http://127.0.0.1:{self.http_port}"


@dataclass(frozen=True, slots=True)
class Person:
    """A demo identity. `tier` for tourists, `category` and the names for merchants, `weight` for the committee."""

    name: str
    role: Role
    tier: int = 0
    category: Category | None = None
    name_zh: str = ""
    name_en: str = ""
    weight: int = 0


PEOPLE: Final = (
    Person("bus", "merchant", category="TRANSPORT", name_zh="环岛巴士", name_en="Island Bus"),
    Person("hotel", "merchant", category="HOTEL", name_zh="三亚海景酒店", name_en="Sanya Seaview Hotel"),
    Person("seafood", "merchant", category="DINING_RETAIL", name_zh="文昌海鲜楼", name_en="Wenchang Seafood"),
    Person("museum", "merchant", category="CULTURE_ENT", name_zh="海南文化馆", name_en="Hainan Culture Hall"),
    Person("alice", "tourist", tier=2),
    Person("bob", "tourist", tier=1),
    Person("inn", "tourist"),  # applies to become a merchant
    Person("operator", "operator"),
    Person("custodian", "custodian"),
    Person("regulator", "regulator"),
    Person("attester", "attester"),
    Person("member1", "committee", weight=1),
    Person("member2", "committee", weight=1),
    Person("member3", "committee", weight=1),
)


def plan_ports(base: int, count: int) -> tuple[NodePlace, ...]:
    """The places of `count` nodes from port `base` on, ten ports apart.

    Raises: ValueError if the count is no network or a port would be above 65535.
    """
    if not VALIDATORS_MIN <= count <= VALIDATORS_MAX:
        raise ValueError(f"{count} validators, expected {VALIDATORS_MIN} to {VALIDATORS_MAX}")
    last = base + (count - 1) * PORTS_PER_NODE + 3
    if not base >= 1024 or last > PORT_MAX:
        raise ValueError(f"ports {base} to {last}, expected 1024 to {PORT_MAX}")
    starts = ((i, base + i * PORTS_PER_NODE) for i in range(count))
    return tuple(NodePlace(i, f"node{i}", start, start + 1, start + 2, start + 3) for i, start in starts)


def place_on(ports: list[int]) -> tuple[NodePlace, ...]:
    """Places on any free ports, four per node in the order given."""
    groups = [ports[i : i + 4] for i in range(0, len(ports) - 3, 4)]
    return tuple(NodePlace(i, f"node{i}", *group) for i, group in enumerate(groups))


def derived_seed(seed: bytes, label: str) -> bytes:
    """32 bytes for one purpose, such as "vote/0" or "wallet/alice"; equal arguments give equal bytes."""
    return tagged_hash(TAG_DEVNET, len(seed).to_bytes(1, "big"), seed, label.encode())


def vote_key(seed: bytes, index: int) -> SigningKey:
    """The voting key of validator `index`."""
    return SigningKey.from_seed(derived_seed(seed, f"vote/{index}"))


def transport_identity(seed: bytes, index: int) -> TransportIdentity:
    """The transport key and certificate of validator `index`; never the voting key (T17)."""
    return create_identity(f"node{index}", derived_seed(seed, f"transport/{index}"))


def person_entropy(seed: bytes, name: str) -> bytes:
    """The 16 bytes behind a demo identity's recovery phrase."""
    return derived_seed(seed, f"wallet/{name}")[:16]


def validators_of(seed: bytes, count: int) -> tuple[Validator, ...]:
    """The validator set of a devnet."""
    certificates = (transport_identity(seed, i).certificate for i in range(count))
    return tuple(Validator(f"node{i}", vote_key(seed, i).public_key, c) for i, c in enumerate(certificates))


def devnet_genesis(
    seed: bytes, time: int, count: int, keys: dict[str, SigningKey], test_clock: bool, classes: bool = True
) -> Genesis:
    """A genesis of four merchants in four categories, two tourists, an applicant, one of each office and a
    committee of three.

    `keys`: the first key of each of PEOPLE, by name. `classes`: give each merchant a common class of its own name
    (1 point = 1 fen, 365 days), so that a first payment needs no set-up. `time` is unix seconds.
    """
    addresses = {name: address_of(key.public_key) for name, key in keys.items()}
    merchants = [person for person in PEOPLE if person.role == "merchant"]
    return Genesis(
        format=FORMAT,
        name=NETWORK_NAME,
        time=time,
        validators=validators_of(seed, count),
        accounts=tuple(
            GenesisAccount((AccountKey(keys[p.name].public_key),), p.role, tier=p.tier, weight=p.weight) for p in PEOPLE
        ),
        merchants=tuple(_merchant(p, addresses[p.name], f"node{i}") for i, p in enumerate(merchants)),
        classes=tuple(_common_class(p, addresses[p.name]) for p in merchants if classes),
        parameters=DEMO_PARAMETERS,
        limits=DEMO_LIMITS,
        test_clock=test_clock,
        filing=DEMO_FILING,
    )


def node_config(place: NodePlace, places: tuple[NodePlace, ...], checked: bool = False) -> NodeConfig:
    """One node's configuration; every path lies in the node's folder, the genesis one above.

    `checked`: it recomputes the invariants of the points rules after every block that changed something.
    """
    return NodeConfig(
        name=place.name,
        genesis="../genesis.json",
        data="data",
        vote_key="vote.key",
        transport_key="transport.pem",
        peer=PeerSection(port=place.peer_port),
        http=HttpSection(port=place.http_port, rate_per_address=0),  # everybody here shares one address
        admin=AdminSection(port=place.admin_port, token="admin.token"),  # noqa: S106  (a file's name)
        ingress=IngressSection(port=place.ingress_port),
        peers={other.name: f"127.0.0.1:{other.peer_port}" for other in places if other != place},
        check_invariants_blocks=int(checked),
    )


def _merchant(person: Person, account: bytes, validator: str) -> GenesisMerchant:
    assert person.category is not None, "a demo merchant has a category"
    return GenesisMerchant(
        account, person.category, person.name_zh, person.name_en, reserve=RESERVE_FEN, validator=validator
    )


def _common_class(person: Person, issuer: bytes) -> GenesisClass:
    return GenesisClass(issuer, ClassCreate(class_id=person.name, uv=10_000, validity_days=365, earn_cap_bps=2_000))
