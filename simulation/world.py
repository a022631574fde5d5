"""What a simulated network starts from: a genesis with some people, its ledger at height 0, and their transactions."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from ledger.anchor import HeadAnchor
from ledger.chain import Chain
from ledger.genesis_block import genesis_block
from ledger.memory_disk import MemoryDisk
from ledger.state_tree import StateTree
from ledger.store import MemoryStore
from points.state import encode_value
from points.transition import genesis_state
from primitives.block import Block, header_digest
from primitives.genesis import (
    FORMAT,
    Genesis,
    GenesisAccount,
    GenesisClass,
    GenesisMerchant,
    Limits,
    chain_id,
    check_genesis,
)
from primitives.hashing import Digest, tagged_hash
from primitives.keys import address_of
from primitives.kinds import AccountKey, ClassCreate, Issue, Operation, Transfer
from primitives.kinds_validators import ValidatorAdd, ValidatorRekey, ValidatorRemove, ValidatorReplace
from primitives.transaction import Envelope, sign_transaction
from primitives.validators import Validator, vote_key_digest
from simulation.machine import name_of
from simulation.plan import Change, ChangeKind
from simulation.signatures import Scheme, real_key
from simulation.stored import WALL_MS

LIFETIME_S: Final = 580  # of a transaction from its submission on; the protocol allows 600 (C17)
BLOCK_BATCHES: Final = 4  # few, so that blocks get full
TOURISTS: Final = 6
CLASS: Final = "stay"
TAG_NONCE: Final = b"hn/sim"
_RESERVE_FEN: Final = 10**9


@dataclass(frozen=True, slots=True)
class World:
    """Made once per process and settings. `store` is copied for every node; nobody writes to it."""

    genesis: Genesis
    chain_id: Digest
    block: Block
    state_root: Digest
    store: MemoryStore


@lru_cache(maxsize=32)
def world_of(nodes: int, window: int, handover_blocks: int) -> World:
    """The network of a plan."""
    genesis = _genesis(nodes, Limits(window=window, block_batches=BLOCK_BATCHES, handover_blocks=handover_blocks))
    identity = chain_id(genesis)
    changes = {key: encode_value(record) for key, record in genesis_state(genesis).items() if record is not None}
    store = MemoryStore()
    tree = StateTree(store).update(changes)
    block = genesis_block(genesis, tree.root)
    disk = MemoryDisk()
    anchor = HeadAnchor.create(disk, identity, header_digest(block.header))
    Chain.create(store, disk, anchor, identity, block, changes, tree)
    return World(genesis, identity, block, tree.root, store)


def _genesis(nodes: int, limits: Limits) -> Genesis:
    names = ["operator", "custodian", "hotel", *(f"tourist{i}" for i in range(TOURISTS))]
    keys = {name: real_key(name).public_key for name in names}
    hotel = address_of(keys["hotel"])
    roles = {"operator": "operator", "custodian": "custodian", "hotel": "merchant"}
    genesis = Genesis(
        format=FORMAT,
        name="simulated",
        time=WALL_MS // 1000,
        validators=tuple(Validator(f"node{i}", real_key(f"vote/{i}").public_key, b"") for i in range(nodes)),
        accounts=tuple(
            GenesisAccount((AccountKey(key),), roles.get(name, "tourist"), tier=2)  # type: ignore[arg-type]
            for name, key in keys.items()
        ),
        merchants=(GenesisMerchant(hotel, "HOTEL", "酒店", "Hotel", reserve=_RESERVE_FEN),),
        classes=(GenesisClass(hotel, ClassCreate(class_id=CLASS, uv=10_000, validity_days=365, transferable=True)),),
        limits=limits,
    )
    faults = list(check_genesis(genesis))
    assert not faults, faults
    return genesis


def payment(world: World, scheme: Scheme, number: int, now_ms: int) -> bytes:
    """Transaction `number` of a run, signed: the hotel grants points, or one tourist gives some to another."""
    who, body = _operation(number)
    return signed(world, scheme, who, number, body, now_ms)


def signed(world: World, scheme: Scheme, who: str, number: int, body: Operation, now_ms: int) -> bytes:
    """A transaction of somebody; `number` makes it another one than every other of the same body."""
    key = scheme.key(who)
    nonce = tagged_hash(TAG_NONCE, number.to_bytes(8, "big"))[:16]
    valid_until = (WALL_MS + now_ms) // 1000 + LIFETIME_S
    return sign_transaction(Envelope(world.chain_id, address_of(key.public_key), nonce, valid_until, body), [key])


def next_key(identity: int) -> str:
    """The name of the voting key that a member changes to."""
    return f"vote/{identity}/next"


def change_of(world: World, scheme: Scheme, change: Change) -> Operation:
    """What the operator signs; the voting keys sign for themselves."""
    name, newcomer = name_of(change.node), change.newcomer
    fresh = scheme.key(f"vote/{newcomer}")
    address, certificate = f"10.0.0.{newcomer % 250 + 1}:26600", b"\x30" + newcomer.to_bytes(1, "big")
    possession = fresh.sign(vote_key_digest(world.chain_id, name_of(newcomer), fresh.public_key))
    match change.kind:
        case ChangeKind.ADD:
            return ValidatorAdd(name_of(newcomer), fresh.public_key, certificate, address, possession)
        case ChangeKind.REMOVE:
            return ValidatorRemove(name)
        case ChangeKind.REPLACE:
            return ValidatorReplace(name, name_of(newcomer), fresh.public_key, certificate, address, possession)
        case ChangeKind.REKEY:
            old, new = scheme.key(f"vote/{change.node}"), scheme.key(next_key(change.node))
            digest = vote_key_digest(world.chain_id, name, new.public_key)
            return ValidatorRekey(name, old.public_key, new.public_key, old.sign(digest), new.sign(digest))


def _operation(number: int) -> tuple[str, Operation]:
    giver, taker = number % TOURISTS, (number + 1) % TOURISTS
    to = address_of(real_key(f"tourist{taker}").public_key)
    if number % 3 == 2:
        return f"tourist{giver}", Transfer(CLASS, 7 + number % 5, to)
    return "hotel", Issue(CLASS, to, 100 + number, f"O-{number}", "EARN", 100_000)


