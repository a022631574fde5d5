"""Genesis: what a network agrees on before its first block. The chain id is the hash of its canonical bytes (T25)."""

from collections.abc import Iterable
from typing import Annotated, Final, Literal

import msgspec

from primitives import merkle
from primitives.block import Header, batches_root
from primitives.codec import U64, Amount, Bytes20, Identifier, Malformed, Record, encode
from primitives.hashing import TAG_GENESIS, ZERO_DIGEST, Digest, tagged_hash
from primitives.json_form import from_plain, to_plain
from primitives.keys import Address, PublicKey, address_of, admit_public_key
from primitives.kinds import KEYS_MAX, AccountKey, Category, ClassCreate
from primitives.validators import VALIDATORS_MAX, VALIDATORS_MIN, Validator, ValidatorSet

FORMAT: Final = 1
GENESIS_BYTES_MAX: Final = 16 * 1024 * 1024
UV_MAX: Final = 10_000  # uY per unit: rounding is then worth less than 1 fen

Role = Literal["tourist", "merchant", "operator", "regulator", "custodian", "attester", "committee", "auditor"]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class Parameters(Record):
    """On-chain parameters of the points rules (D20). bps = 1/10000; fen = 0.01 CNY; 0 = off where it says so."""

    fee_bps: U64 = 50
    exchange_fee_bps: U64 = 100
    reserve_ratio_bps: U64 = 4000
    recv_credit_bps: U64 = 0
    refund_window_days: U64 = 180
    return_window_days: U64 = 30
    attestation_days: U64 = 90
    settle_days: U64 = 2
    static_cap: Amount = 50_000  # fen per payer, merchant and day (UTC+8)
    kyc0_lifetime: Amount = 100_000  # fen redeemed
    kyc1_year: Amount = 10_000_000  # fen redeemed per calendar year (UTC+8)
    kyc2_year: Amount = 20_000_000
    transfer_day: Amount = 0  # fen per holder and day; 0 = no such limit (a class decides whether it is transferable)
    holder_limit: Amount = 0  # fen of spendable value per holder; 0 = off
    quota: Amount = 0  # fen issued per merchant and period; 0 = off
    breakage_share_bps: U64 = 0
    program_end: U64 = 0  # unix seconds; 0 = none
    sponsor_day: U64 = 1000  # accounts that one sponsor opens per day (D4)
    errata_cap: Amount = 1_000_000  # fen that the errata of one transaction may move (INV-17); 0 = none is allowed
    waterfall: U64 = 2  # who bears a default: 0 the reserve only, 1 then the fund, 2 then all creditors pro rata
    loss_share_bps: U64 = 1000  # of its claim on a window: the most that a creditor bears of others' losses there
    operator_validators: U64 = 0  # 1: an operator alone changes the validators, also where there is a committee
    alert_least: Amount = 1_000_000  # fen: flows of a day below this are too small to alert (2.7); 0 = none is
    alert_spike_bps: U64 = 30_000  # of a merchant's daily average: issued on one day; 0 = off, as all that follow
    alert_circular_bps: U64 = 8_000  # of the larger flow between two merchants: the flow back on the same day
    alert_wash_bps: U64 = 5_000  # of what a merchant issued on a day: taken back on the same day
    alert_accounts: U64 = 200  # opened for one sponsor on one day
    alert_cap_bps: U64 = 8_000  # of a merchant's cap: points outstanding and debts
    alert_over_bps: U64 = 10_000  # of a merchant's cap: passed
    alert_stale_days: U64 = 90  # since the last attestation of a reserve
    alert_concentration_bps: U64 = 3_000  # of all points outstanding: one issuer's


class Limits(Record):
    """Consensus parameters, equal on every node because they are here and not in a node's own configuration."""

    window: U64 = 8  # W: undecided heights in flight (S12)
    batch_bytes: U64 = 256 * 1024
    batch_transactions: U64 = 1024
    block_batches: U64 = 64
    block_bytes: U64 = 2 * 1024 * 1024
    progress_ms: U64 = 1000  # floor of the progress timer (C7)
    inclusion_ms: U64 = 5000  # T_fair (C7)
    handover_blocks: U64 = 0  # R: a planned change of the leader every R heights; 0 = never (L6, C11)
    blacklist_blocks: U64 = 10_000  # B: how long a proven timeout counts against a leader (L6)


class GenesisAccount(Record):
    """An account that exists from the start; its address is that of its first key (D4)."""

    keys: Annotated[tuple[AccountKey, ...], msgspec.Meta(min_length=1, max_length=KEYS_MAX)]
    role: Role = "tourist"
    threshold: U64 = 1
    tier: U64 = 0
    tier_expires: U64 = 0  # unix seconds; 0 = never
    weight: U64 = 0  # committee only


class GenesisMerchant(Record):
    """A merchant that is ACTIVE from the start; `reserve` (fen) counts as attested at genesis time."""

    account: Bytes20
    category: Category
    name_zh: Name
    name_en: Name
    reserve: Amount = 0
    credit_limit: Amount = 0
    quota: Amount = 0
    validator: Identifier | None = None


class GenesisClass(Record):
    issuer: Bytes20
    create: ClassCreate


class Genesis(Record):
    """Everything a node must know and share. `time` is unix seconds and the block time of height 0."""

    format: U64
    name: Identifier
    time: U64
    validators: tuple[Validator, ...]
    accounts: tuple[GenesisAccount, ...]
    merchants: tuple[GenesisMerchant, ...] = ()
    classes: tuple[GenesisClass, ...] = ()
    parameters: Parameters = Parameters()
    limits: Limits = Limits()
    test_clock: bool = False
    filing: Annotated[str, msgspec.Meta(max_length=128)] = ""  # 备案号, shown to users


def chain_id(genesis: Genesis) -> Digest:
    """The identity of the network: the tagged hash of the canonical genesis."""
    return tagged_hash(TAG_GENESIS, encode(genesis))


def load_genesis(text: bytes) -> Genesis:
    """The genesis of a JSON file.

    Raises: Malformed with the path of the first field that is unknown, missing, out of range or contradicts another.
    """
    if len(text) > GENESIS_BYTES_MAX:
        raise Malformed(f"genesis: {len(text)} bytes, limit {GENESIS_BYTES_MAX}")
    try:
        plain = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Malformed(f"genesis: not JSON: {error}") from error
    genesis = from_plain(Genesis, plain)
    fault = next(iter(check_genesis(genesis)), None)
    if fault is not None:
        raise Malformed(f"genesis: {fault}")
    return genesis


def genesis_text(genesis: Genesis) -> bytes:
    """The JSON file of a genesis; load_genesis gives the same genesis back."""
    return msgspec.json.format(msgspec.json.encode(to_plain(genesis)), indent=1) + b"\n"


def validator_set(genesis: Genesis) -> ValidatorSet:
    """The set of epoch 0."""
    return ValidatorSet(genesis.validators)


def genesis_header(genesis: Genesis, state_root: bytes) -> Header:
    """The header of height 0; its parent is the chain id, so that two genesis files never share a block hash."""
    return Header(
        epoch=0,
        height=0,
        parent=chain_id(genesis),
        batches_root=batches_root(()),
        tx_root=merkle.EMPTY_ROOT,
        exec_height=0,
        state_root=state_root,
        receipts_root=merkle.EMPTY_ROOT,
        cert_height=0,
        cert_hash=ZERO_DIGEST,
        valset_hash=validator_set(genesis).hash,
        next_valset_hash=None,
        time_ms=genesis.time * 1000,
        proposer=0,
    )


def check_genesis(genesis: Genesis) -> Iterable[str]:
    """A sentence with the field's path per contradiction; none for a genesis that a network may start from."""
    if genesis.format != FORMAT:
        yield f"$.format: {genesis.format}, this release reads {FORMAT}"
    if genesis.time == 0:
        yield "$.time: 0 is not a time"
    yield from _check_validators(genesis)
    yield from _check_accounts(genesis.accounts)
    yield from _check_members(genesis.accounts)
    yield from _check_merchants(genesis)
    yield from _check_numbers(genesis)


def _check_validators(genesis: Genesis) -> Iterable[str]:
    count = len(genesis.validators)
    least = 1 if genesis.test_clock else VALIDATORS_MIN  # one validator: scenario files in one process
    if not least <= count <= VALIDATORS_MAX:
        yield f"$.validators: {count}, expected {least} to {VALIDATORS_MAX}"
    seen: dict[object, str] = {}
    for i, validator in enumerate(genesis.validators):
        path = f"$.validators[{i}]"
        if not admit_public_key(validator.vote_key):
            yield f"{path}.vote_key: not an admissible Ed25519 key"
        pairs = (("name", validator.name), ("vote_key", validator.vote_key),
                 ("transport_certificate", validator.transport_certificate))  # fmt: skip
        for field, value in pairs:
            if value and (field, value) in seen:
                yield f"{path}.{field}: the same as {seen[field, value]}.{field}"
            seen[field, value] = path


def _check_accounts(accounts: tuple[GenesisAccount, ...]) -> Iterable[str]:
    seen: dict[Address, str] = {}
    for i, account in enumerate(accounts):
        path = f"$.accounts[{i}]"
        keys = [k.key for k in account.keys]
        for j, key in enumerate(keys):
            if not admit_public_key(key):
                yield f"{path}.keys[{j}].key: not an admissible Ed25519 key"
            if key in keys[:j]:
                yield f"{path}.keys[{j}].key: twice in the account"
        owners = sum(1 for k in account.keys if k.role == "owner")
        if not 1 <= account.threshold <= owners:
            yield f"{path}.threshold: {account.threshold}, expected 1 to {owners} (owner keys)"
        if account.tier > 2:
            yield f"{path}.tier: {account.tier}, limit 2"
        address = address_of(PublicKey(account.keys[0].key))
        if address in seen:
            yield f"{path}.keys[0]: the same account as {seen[address]}"
        seen[address] = path


def _check_members(accounts: tuple[GenesisAccount, ...]) -> Iterable[str]:
    """A key of a member of the committee stands in no other account: it would vote twice, or judge its own matter."""
    holders: dict[bytes, list[int]] = {}
    for i, account in enumerate(accounts):
        for key in {k.key for k in account.keys}:
            holders.setdefault(key, []).append(i)
    for i, account in enumerate(accounts):
        if account.role != "committee" or not account.weight:
            continue
        for j, listed in enumerate(account.keys):
            others = [other for other in holders[listed.key] if other != i]
            if others:
                yield f"$.accounts[{i}].keys[{j}].key: a member's key, also in $.accounts[{others[0]}]"


def _check_merchants(genesis: Genesis) -> Iterable[str]:
    roles = {address_of(PublicKey(a.keys[0].key)): a.role for a in genesis.accounts}
    names = {v.name for v in genesis.validators}
    merchants = [m.account for m in genesis.merchants]
    for i, merchant in enumerate(genesis.merchants):
        path = f"$.merchants[{i}]"
        if roles.get(Address(merchant.account)) != "merchant":
            yield f"{path}.account: no account of role merchant in $.accounts"
        if merchant.account in merchants[:i]:
            yield f"{path}.account: listed twice"
        if merchant.validator is not None and merchant.validator not in names:
            yield f"{path}.validator: {merchant.validator!r} is not in $.validators"
    ids = [c.create.class_id for c in genesis.classes]
    for i, item in enumerate(genesis.classes):
        path = f"$.classes[{i}]"
        if item.issuer not in merchants:
            yield f"{path}.issuer: not in $.merchants"
        if item.create.class_id in ids[:i]:
            yield f"{path}.create.class: {item.create.class_id!r} listed twice"
        if not 1 <= item.create.uv <= UV_MAX:
            yield f"{path}.create.uv: {item.create.uv}, expected 1 to {UV_MAX}"
        if not 1 <= item.create.validity_days <= 1095:
            yield f"{path}.create.validity_days: {item.create.validity_days}, expected 1 to 1095"


_BOUNDS: Final = (
    ("window", 1, 32), ("batch_bytes", 4096, 512 * 1024), ("batch_transactions", 1, 4096), ("block_batches", 1, 256),
    ("block_bytes", 4096, 16 * 1024 * 1024), ("progress_ms", 100, 30_000), ("inclusion_ms", 500, 600_000),
    ("handover_blocks", 0, 10**9), ("blacklist_blocks", 0, 10**9),
)
_DAYS_MAX: Final = 3650
_PARAMETER_BOUNDS: Final = (  # without a day to pay in, the cut would default every debtor in its own second
    ("fee_bps", 0, 10_000), ("exchange_fee_bps", 0, 10_000), ("breakage_share_bps", 0, 10_000),
    ("recv_credit_bps", 0, 10_000), ("reserve_ratio_bps", 1, 10_000), ("loss_share_bps", 0, 10_000),
    ("waterfall", 0, 2), ("operator_validators", 0, 1), ("settle_days", 1, 30), ("refund_window_days", 1, _DAYS_MAX),
    ("return_window_days", 0, _DAYS_MAX), ("attestation_days", 1, _DAYS_MAX),
)


def _check_numbers(genesis: Genesis) -> Iterable[str]:
    for name, low, high in _BOUNDS:
        value = getattr(genesis.limits, name)
        if not low <= value <= high:
            yield f"$.limits.{name}: {value}, expected {low} to {high}"
    if genesis.limits.block_bytes < genesis.limits.batch_bytes:
        yield "$.limits.block_bytes: below batch_bytes, no batch would fit"
    for name, low, high in _PARAMETER_BOUNDS:
        value = getattr(genesis.parameters, name)
        if not low <= value <= high:
            yield f"$.parameters.{name}: {value}, expected {low} to {high}"
