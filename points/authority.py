"""Who may do what: signatures against the keys of an account, roles, limits per key, tiers of identification.

The cryptographic check of an envelope is done once, at admission; here the signing keys are matched with the account.
"""

from collections.abc import Sequence
from typing import Final

from points.keys import CUSTODIANS_KEY, account_key, daily_key
from points.state import FUND, NOBODY, Account, AccountKind, Daily, Holdings, Role
from points.turn import Turn
from primitives.codec import U64_MAX
from primitives.kinds import AccountKey, KeyRole
from primitives.transaction import KeySignature

_TOURIST: Final = AccountKind.TOURIST


def key_of(account: Account, public_key: bytes) -> tuple[AccountKey, ...]:
    """The key of the account with these bytes, alone; () if it has none."""
    for key in account.keys:
        if key.key == public_key:
            return (key,)
    return ()


def signing_keys(account: Account, signatures: Sequence[KeySignature]) -> tuple[AccountKey, ...]:
    """The keys of the account among the signatures; a key counts once however often it signs."""
    if len(signatures) == 1:
        return key_of(account, signatures[0].key)
    signed = {signature.key for signature in signatures}
    return tuple(key for key in account.keys if key.key in signed)


def may(account: Account, signers: Sequence[AccountKey], role: KeyRole) -> bool:
    """Whether the signers may act in this role: one key that has it, or `threshold` owner keys together."""
    owners = 0
    for key in signers:
        if key.role == "owner":
            owners += 1
        elif key.role == role:
            return True
    return owners >= account.threshold


def charge_keys(turn: Turn, owner: bytes, keys: Sequence[AccountKey], fen: int) -> bool:
    """Count the value against the daily limit (UTC+8) of each of these keys of `owner`; False: KEY_LIMIT."""
    for key in keys:
        if key.daily_limit is not None:
            where = daily_key(turn.day, b"k", owner + key.key)
            if not charge_daily(turn, where, fen, key.daily_limit):
                return False
    return True


def charge_daily(turn: Turn, where: bytes, amount: int, limit: int) -> bool:
    """Add to a sum of today unless it would pass the limit."""
    spent: Daily | None = turn.get(where)
    total = turn.add(spent.value if spent is not None else 0, amount)
    if total > limit:
        return False
    turn.put(where, Daily(total))
    return True


def shares_key(first: Account, second: Account) -> bool:
    """Whether one key stands in both accounts: such a pair may not pay each other (D3)."""
    for key in first.keys:
        for other in second.keys:
            if key.key == other.key:
                return True
    return False


def tier_of(account: Account, time_s: int) -> int:
    """0..2; an expired tier counts as 0 (D4)."""
    return account.tier if time_s < account.tier_expires else 0


def charge_kyc(turn: Turn, account: Account, holdings: Holdings, fen: int) -> tuple[int, int] | None:
    """Redeemed fen in the account's life and in this year with `fen` more; None if its tier does not allow so much.

    Tier 0 is limited over the account's life, 1 and 2 per calendar year of UTC+8 (D20).
    """
    life = holdings.redeemed + fen
    in_year = fen + (holdings.redeemed_year if holdings.year == turn.year else 0)
    if life > U64_MAX or in_year > U64_MAX:
        turn.overflow = True
    tier, params = tier_of(account, turn.time), turn.params
    if tier == 0:
        allowed = life <= params.kyc0_lifetime
    else:
        allowed = in_year <= (params.kyc1_year if tier == 1 else params.kyc2_year)
    return (life, in_year) if allowed else None


def custodian_of(turn: Turn, signatures: Sequence[KeySignature]) -> tuple[bytes, Account, tuple[AccountKey, ...]]:
    """The first custodian that a signature belongs to, with its signing keys; NOBODY if there is none."""
    custodians = turn.get(CUSTODIANS_KEY)
    for address in custodians.accounts if custodians is not None else ():
        account: Account = turn.get(account_key(address))
        signers = signing_keys(account, signatures)
        if signers:
            return address, account, signers
    return b"", NOBODY, ()


def is_custodian(account: Account) -> bool:
    """Whether the account may sign for FUND (D11)."""
    return bool(account.roles & Role.CUSTODIAN)


def acts_for(turn: Turn, participant: bytes) -> bool:
    """Whether the sender is this party of a settlement leg; FUND is moved by the custodian (D11)."""
    if participant == FUND:
        return turn.sender == FUND or is_custodian(turn.account)
    return turn.sender == participant


def is_tourist(account: Account | None) -> bool:
    """Only tourists hold and pay (D3)."""
    return account is not None and account.kind is _TOURIST
