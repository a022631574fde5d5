"""Accounts, their keys, and how well their holder is identified (D4).

account_open: BAD_KEY (sender is not the address of the first key), BAD_SIGNATURE (first key did not sign),
ACCOUNT_UNKNOWN (sponsor), BAD_SIGNATURE (sponsor), NOT_AUTHORISED (sponsor neither ACTIVE merchant nor operator),
ACCOUNT_FROZEN (sponsor), ACCOUNT_EXISTS, TOO_MANY_KEYS, BAD_KEY, BAD_THRESHOLD, SPONSOR_LIMIT.
key_add: ACCOUNT_FROZEN, NOT_AUTHORISED, TOO_MANY_KEYS, KEY_EXISTS, BAD_KEY, KEY_PROOF. key_revoke: ACCOUNT_FROZEN,
NOT_AUTHORISED, KEY_UNKNOWN, LAST_KEY. key_limit: ACCOUNT_FROZEN, NOT_AUTHORISED, KEY_UNKNOWN. kyc_attest,
kyc_revoke: ACCOUNT_FROZEN, NOT_ATTESTER, BAD_AMOUNT, ACCOUNT_UNKNOWN, NOT_AUTHORISED (neither a tourist nor one who
applied with a tier to lose).
Whoever changes keys or limits as the owner has not lost them: open recoveries of the account end. BAD_KEY is also a key
that another account has as a member of the committee: whoever lists it would make that member stand aside (2.10).
"""

from collections.abc import Sequence, Set
from typing import Final

from msgspec.structs import replace

from points.alerts import NO_WATCH, raise_alert
from points.authority import charge_daily, is_tourist
from points.governance_records import Committee
from points.keys import COMMITTEE_KEY, WATCH_KEY, account_key, daily_key, merchant_key
from points.open_recoveries import end_recoveries
from points.risk_records import Watch
from points.state import NEVER, Account, AccountKind, Frozen, Merchant, MerchantStatus, Role
from points.turn import Turn, frozen_mode
from primitives.codes import Code
from primitives.keys import PublicKey, address_of, admit_public_key
from primitives.kinds import KEYS_MAX, AccountKey, AccountOpen, KeyAdd, KeyRevoke, KycAttest, KycRevoke
from primitives.kinds_identity import KeyLimit
from primitives.receipt import Event
from primitives.transaction import KeySignature, key_proof_digest, sponsor_digest

TIER_MAX: Final = 2


def apply_account_open(turn: Turn, body: AccountOpen, signatures: Sequence[KeySignature]) -> Code:
    """A new tourist account at the address of its first key, vouched for by a sponsor."""
    first = body.keys[0].key
    if turn.sender != address_of(PublicKey(first)):
        return turn.refuse(Code.BAD_KEY, "the sender is not the address of the first key")
    listed = {key.key for key in body.keys}
    signed = {signature.key for signature in signatures}
    if first not in signed or not signed <= listed:
        return turn.refuse(Code.BAD_SIGNATURE, "an account is opened by its first key")
    code = _check_sponsor(turn, body)
    if code:
        return code
    if turn.get(account_key(turn.sender)) is not None:
        return Code.ACCOUNT_EXISTS
    code = check_key_set(turn, turn.sender, body.keys, body.threshold)
    if code:
        return code
    today = daily_key(turn.day, b"s", body.sponsor)
    if not charge_daily(turn, today, 1, turn.params.sponsor_day):
        return Code.SPONSOR_LIMIT
    opened = Account(AccountKind.TOURIST, body.keys, body.threshold, guardians=body.guardians)
    turn.put(account_key(turn.sender), opened)
    turn.events.append(Event("AccountOpened", (), (("account", turn.sender), ("sponsor", body.sponsor))))
    watch: Watch = turn.get(WATCH_KEY) or NO_WATCH
    turn.put(WATCH_KEY, replace(watch, accounts=watch.accounts + 1))
    opened_today, many = turn.get(today).value, turn.params.alert_accounts
    if many and opened_today >= many:
        raise_alert(turn, "ACCOUNTS", body.sponsor, opened_today, many)
    return Code.OK


def check_key_set(turn: Turn, address: bytes, keys: Sequence[AccountKey], threshold: int) -> Code:
    """Whether the account may have these keys, `threshold` of its owner keys signing together."""
    if len(keys) > KEYS_MAX:
        return turn.refuse(Code.TOO_MANY_KEYS, f"{len(keys)} keys, limit {KEYS_MAX}")
    listed = {key.key for key in keys}
    if len(listed) != len(keys) or not all(admit_public_key(key) for key in listed):
        return Code.BAD_KEY
    if _of_another_member(turn, address, listed):
        return turn.refuse(Code.BAD_KEY, "a key of a member of the committee")
    owners = sum(key.role == "owner" for key in keys)
    if not 1 <= threshold <= owners:
        return turn.refuse(Code.BAD_THRESHOLD, f"threshold {threshold}, expected 1 to {owners} (owner keys)")
    return Code.OK


def _of_another_member(turn: Turn, address: bytes, keys: Set[bytes]) -> bool:
    """Whether a member of the committee other than this account has one of these keys.

    Nobody proves to hold a key that it lists, and a shared key is an interest: so only the member itself may share.
    """
    committee: Committee | None = turn.get(COMMITTEE_KEY)
    for member, _ in committee.members if committee is not None else ():
        account: Account = turn.get(account_key(member))
        if member != address and any(key.key in keys for key in account.keys):
            return True
    return False


def _check_sponsor(turn: Turn, body: AccountOpen) -> Code:
    sponsor: Account | None = turn.get(account_key(body.sponsor))
    if sponsor is None:
        return turn.refuse(Code.ACCOUNT_UNKNOWN, "the sponsor")
    known = any(key.key == body.sponsor_key for key in sponsor.keys)

    def digest() -> bytes:
        return sponsor_digest(turn.chain_id, body.sponsor, body.keys, body.threshold)

    if not known or not turn.signed(body.sponsor_key, digest, body.sponsor_sig):
        return turn.refuse(Code.BAD_SIGNATURE, "the sponsor's signature")
    merchant: Merchant | None = turn.get(merchant_key(body.sponsor))
    active = merchant is not None and merchant.status is MerchantStatus.ACTIVE
    if not active and not sponsor.roles & Role.OPERATOR:
        return turn.refuse(Code.NOT_AUTHORISED, "the sponsor is neither an active merchant nor an operator")
    return Code.ACCOUNT_FROZEN if frozen_mode(sponsor, turn.time) is not Frozen.NO else Code.OK


def apply_key_add(turn: Turn, body: KeyAdd) -> Code:
    """One more key for the sender, of any role."""
    account = turn.account
    if len(account.keys) >= KEYS_MAX:
        return turn.refuse(Code.TOO_MANY_KEYS, f"limit {KEYS_MAX}")
    if any(key.key == body.key for key in account.keys):
        return Code.KEY_EXISTS
    if not admit_public_key(body.key):
        return Code.BAD_KEY
    if _of_another_member(turn, turn.sender, {body.key}):
        return turn.refuse(Code.BAD_KEY, "a key of a member of the committee")

    def digest() -> bytes:
        return key_proof_digest(turn.chain_id, turn.sender, body.key, body.role)

    if body.proof is None or not turn.signed(body.key, digest, body.proof):
        return turn.refuse(Code.KEY_PROOF, "the new key has not signed for this account and role")
    added = AccountKey(body.key, body.role, body.daily_limit)
    turn.put(account_key(turn.sender), replace(account, keys=(*account.keys, added)))
    return _key_changed(turn, "added", body.key)


def apply_key_revoke(turn: Turn, body: KeyRevoke) -> Code:
    """A key of the sender ends; as many owner keys as its threshold asks for must stay."""
    account = turn.account
    left = tuple(key for key in account.keys if key.key != body.key)
    if len(left) == len(account.keys):
        return Code.KEY_UNKNOWN
    owners = sum(key.role == "owner" for key in left)
    if owners < max(1, account.threshold):
        return turn.refuse(Code.LAST_KEY, f"{owners} owner keys would be left, the threshold is {account.threshold}")
    turn.put(account_key(turn.sender), replace(account, keys=left))
    return _key_changed(turn, "revoked", body.key)


def apply_key_limit(turn: Turn, body: KeyLimit) -> Code:
    """Another daily limit for a key; what the key moved today under a limit counts against the new one."""
    account = turn.account
    if not any(key.key == body.key for key in account.keys):
        return Code.KEY_UNKNOWN
    keys = tuple(
        AccountKey(key.key, key.role, body.daily_limit) if key.key == body.key else key for key in account.keys
    )
    turn.put(account_key(turn.sender), replace(account, keys=keys))
    return _key_changed(turn, "limited" if body.daily_limit is not None else "unlimited", body.key)


def _key_changed(turn: Turn, change: str, key: bytes) -> Code:
    turn.events.append(Event("KeyChanged", (("change", change),), (("account", turn.sender),), (("key", key),)))
    end_recoveries(turn, turn.sender, "keys")
    return Code.OK


def apply_kyc_attest(turn: Turn, body: KycAttest) -> Code:
    """An attester states how well a tourist is identified, by commitment only, until a time."""
    if body.tier > TIER_MAX:
        return turn.refuse(Code.BAD_AMOUNT, f"tier {body.tier}, limit {TIER_MAX}")
    return _set_tier(turn, body.account, body.tier, body.expires, (("commitment", body.commitment),))


def apply_kyc_revoke(turn: Turn, body: KycRevoke) -> Code:
    """The tourist is tier 0 again."""
    return _set_tier(turn, body.account, 0, NEVER, ())


def _set_tier(turn: Turn, address: bytes, tier: int, expires: int, hashes: tuple[tuple[str, bytes], ...]) -> Code:
    account: Account | None = turn.get(account_key(address))
    if account is None:
        return Code.ACCOUNT_UNKNOWN
    taken_away = tier == 0 and account.tier > 0  # also from an applicant, who may be a tourist again
    if not is_tourist(account) and not taken_away:
        return Code.NOT_AUTHORISED
    turn.put(account_key(address), replace(account, tier=tier, tier_expires=expires))
    fields = (("tier", tier), ("expires", expires))
    turn.events.append(Event("TierChanged", fields, (("account", address), ("attester", turn.sender)), hashes))
    return Code.OK
