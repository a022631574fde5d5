"""The state that a genesis founds: accounts with their roles, merchants with reserves, classes, the first window."""

from typing import Final

from points.governance_records import Committee, OfficeHeld
from points.keys import (
    COMMITTEE_KEY,
    CUSTODIANS_KEY,
    HEAD_KEY,
    PARAMS_KEY,
    REGISTER_KEY,
    account_key,
    books_key,
    class_key,
    merchant_key,
    office_key,
    window_key,
)
from points.merchants import class_fault, class_of
from points.offices import BITS, WEIGHT_MAX
from points.state import (
    FUND,
    NEVER,
    NO_BOOKS,
    NOBODY,
    Account,
    AccountKind,
    Custodians,
    Head,
    Merchant,
    MerchantStatus,
    Role,
    Window,
    WindowState,
)
from points.validators import founded
from points.view import Changes
from primitives.codec import Malformed
from primitives.genesis import Genesis, GenesisAccount
from primitives.keys import PublicKey, address_of

_BITS: Final[dict[str, Role]] = {"committee": Role.COMMITTEE, **dict(BITS.items())}


def found(genesis: Genesis) -> Changes:
    """Every record of height 0 of a checked genesis. Malformed for a class beyond the bounds of the rules."""
    state: Changes = {
        PARAMS_KEY: genesis.parameters,
        REGISTER_KEY: founded(genesis),
        HEAD_KEY: Head(1),
        window_key(1): Window(WindowState.OPEN, genesis.time, 0, 0),
        account_key(FUND): NOBODY,
    }
    merchants = {merchant.account for merchant in genesis.merchants}
    custodians = []
    for item in genesis.accounts:
        address = address_of(PublicKey(item.keys[0].key))
        state[account_key(address)] = _account(item, address in merchants)
        if item.role in BITS:
            state[office_key(item.role, address)] = OfficeHeld(genesis.time)
        if item.role == "custodian":
            custodians.append(bytes(address))
    state[CUSTODIANS_KEY] = Custodians(tuple(custodians))
    members = _members(genesis)
    if members:
        state[COMMITTEE_KEY] = Committee(members)
    for merchant in genesis.merchants:
        state[merchant_key(merchant.account)] = Merchant(
            merchant.category, MerchantStatus.ACTIVE, merchant.reserve, genesis.time, merchant.credit_limit,
            merchant.quota,
        )  # fmt: skip
        state[books_key(merchant.account)] = NO_BOOKS
    for i, issued in enumerate(genesis.classes):
        fault = class_fault(issued.create) or ("" if issued.create.sandbox is None else "no sandbox is open yet")
        if fault:
            raise Malformed(f"genesis: $.classes[{i}].create: {fault}")
        state[class_key(issued.create.class_id)] = class_of(issued.issuer, issued.create)
    return state


def _members(genesis: Genesis) -> tuple[tuple[bytes, int], ...]:
    """Who votes, in order of addresses. Malformed if the weights do not fit."""
    members = sorted(
        (bytes(address_of(PublicKey(item.keys[0].key))), item.weight)
        for item in genesis.accounts
        if item.role == "committee" and item.weight
    )
    total = sum(weight for _, weight in members)
    if total > WEIGHT_MAX:
        raise Malformed(f"genesis: $.accounts: the committee weighs {total}, limit {WEIGHT_MAX}")
    return tuple(members)


def _account(item: GenesisAccount, merchant: bool) -> Account:
    kind = AccountKind.TOURIST if item.role == "tourist" else AccountKind.SYSTEM
    if merchant:
        kind = AccountKind.MERCHANT
    bit = _BITS.get(item.role)
    return Account(
        kind, item.keys, item.threshold, 0 if bit is None else bit.value, item.tier, item.tier_expires or NEVER
    )
