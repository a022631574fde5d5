"""Acts about accounts and offers of a town: keys, guardians, recovery, classes, assets, campaigns."""

from collections.abc import Callable
from random import Random
from typing import Any

from points.state import Role
from primitives import kinds
from primitives.kinds import AccountKey, AccountOpen, ReserveAttest
from primitives.kinds_assets import AssetOffer, AssetRegister, AssetReturn, AssetSwap, OfflineEscrow
from primitives.kinds_campaigns import BatchIssue, CampaignClaim, CampaignClose, CampaignCreate, list_root, prove_entry
from primitives.kinds_identity import GuardiansSet, KeyLimit, RecoveryApprove, RecoveryCancel, RecoveryFinish
from tests.properties.town import DAY, NO_SIGNATURE, Act, Town, key_of
from tests.properties.town_filling import (
    a_class,
    amount,
    first,
    fresh,
    likely,
    merchant,
    name_address,
    stranger,
    tourist,
    worth,
)

Acting = Callable[[Town, Random], Act]


def class_create(town: Town, dice: Random) -> Act:
    if dice.random() < 0.2:
        return likely(town, dice, kinds.ClassCreate, class_id=fresh(dice, "cl"))
    uv = dice.choice([1, 777, 9_999, 10_000])
    fixed: dict[str, Any] = {
        "class_id": fresh(dice, "cl"), "uv": uv, "kind": None, "validity_days": dice.choice([1, 3, 30, 1_095]),
        "pending_days": dice.choice([0, 0, 1]), "grace_days": dice.choice([0, 3]), "scope": (), "sandbox": None,
        "max_per_order": None, "exchange_in_quota": dice.choice([None, 100]), "display_decimals": 0, "earn_cap_bps": 0,
    }  # fmt: skip
    trials = [(key[1:].decode(), of) for key, of in town.rows(b"s") if not of.over]
    if not trials or dice.random() < 0.3:
        return likely(town, dice, kinds.ClassCreate, **fixed)
    name, of = dice.choice(trials)
    return likely(town, dice, kinds.ClassCreate, of.merchant, **(fixed | {"sandbox": name}))


def class_retire(town: Town, dice: Random) -> Act:
    class_id, of = a_class(town, dice)
    if len(town.rows(b"C")) < 8 and dice.random() < 0.6:  # a town without classes is a dull one
        return class_create(town, dice)
    return likely(town, dice, kinds.ClassRetire, of.issuer, class_id=class_id)


def reserve_attest(town: Town, dice: Random) -> Act:
    whose, bank = merchant(town, dice), name_address("bank")
    signers = town.keys_for(bank, "owner", dice) + town.keys_for(whose, "owner", dice)
    as_of = town.now - dice.choice([0, 0, 0, 1, DAY])
    body = ReserveAttest(whose, dice.choice([0, 300, 40_000, 10**9, 2**64 - 1 if town.giant else 1]), as_of, bytes(32))
    return Act(bank, body, signers if dice.random() < 0.95 else signers[:1])


def account_open(town: Town, dice: Random) -> Act:
    name = stranger(dice)
    keys = [AccountKey(key_of(name)), *(AccountKey(key_of(f"{name}.{n}")) for n in range(dice.choice([0, 0, 2, 8])))]
    sponsor = merchant(town, dice) if dice.random() < 0.7 else name_address("op")
    sponsor_key = (town.keys_for(sponsor, "owner", dice) or (bytes(32),))[0]
    guardians = tuple(dice.sample(town.accounts(), dice.choice([0, 0, 2])))
    body = AccountOpen(tuple(keys), dice.choice([1, 1, len(keys), 9]), sponsor, sponsor_key, NO_SIGNATURE, guardians)
    return Act(name_address(name), body, (key_of(name),))


def key_add(town: Town, dice: Random) -> Act:
    """Not one that every office has already eight of."""
    role = dice.choice(["owner", "issuer", "pos", "settlement"])
    return likely(town, dice, kinds.KeyAdd, role=role, daily_limit=dice.choice([None, 50]), proof=NO_SIGNATURE)


def key_limit(town: Town, dice: Random) -> Act:
    sender, key = _own_key(town, dice)
    return likely(town, dice, KeyLimit, sender, key=key, daily_limit=dice.choice([None, None, 50]))


def _own_key(town: Town, dice: Random) -> Any:
    """(sender, one of its keys), of an account with several if there is one; arguments of `likely`."""
    some = [(who[1:], of.keys) for who, of in town.rows(b"A") if len(of.keys) > 1]
    if not some:
        return tourist(town, dice), key_of("nobody")
    sender, keys = dice.choice(some)
    return sender, dice.choice(keys).key


def key_revoked(town: Town, dice: Random) -> Act:
    sender, key = _own_key(town, dice)
    return likely(town, dice, kinds.KeyRevoke, sender, key=key)


def guardians_set(town: Town, dice: Random) -> Act:
    count = dice.choice([0, 1, 2, 3])
    who = tuple(dice.sample(town.accounts(), count))
    return likely(town, dice, GuardiansSet, guardians=who, threshold=dice.choice([count, count // 2 + 1, 1]))


def recovery_start(town: Town, dice: Random) -> Act:
    guarded = [(who[1:], of) for who, of in town.rows(b"A") if of.guardians]
    keys = (AccountKey(key_of(f"k{dice.randint(0, 40)}")),)
    if guarded and dice.random() < 0.7:
        whose, of = dice.choice(guarded)
        return likely(town, dice, kinds.RecoveryStart, dice.choice(of.guardians), account=whose, keys=keys, threshold=1)
    return likely(town, dice, kinds.RecoveryStart, _office(town, dice), keys=keys, threshold=1)


def recovery_approve(town: Town, dice: Random) -> Act:
    whose, of = _recovering(town, dice)
    sender = dice.choice(of.guardians) if of is not None and of.guardians else _office(town, dice)
    return likely(town, dice, RecoveryApprove, sender, account=whose, recovery=_recovery(town, dice, whose))


def recovery_cancel(town: Town, dice: Random) -> Act:
    whose, of = _recovering(town, dice)
    if of is not None and of.guardians and dice.random() < 0.4:
        return likely(town, dice, RecoveryCancel, dice.choice(of.guardians), account=whose)
    return likely(town, dice, RecoveryCancel, whose, account=None)


def recovery_finish(town: Town, dice: Random) -> Act:
    whose, _ = _recovering(town, dice)
    return likely(town, dice, RecoveryFinish, account=whose, recovery=None)


def recover(town: Town, dice: Random) -> str:
    """Somebody loses the keys: proposed, approved, waited for, finished; the code of the last step."""
    start = recovery_start(town, dice)
    if town.attempt(start) != "OK":
        return ""
    whose: bytes = start.body.account  # type: ignore[union-attr]
    of = town.view.get(b"A" + whose)
    for who in of.guardians or (name_address("op"), *town.holding(Role.COMMITTEE)[:2]):
        if who != start.sender:
            town.attempt(likely(town, dice, RecoveryApprove, who, account=whose, recovery=None))
    record = town.view.get(b"d" + whose)
    ready = [recovery.ready_at for recovery in record.open if recovery.ready_at < 2**63] if record else []
    if not ready:
        return ""
    town.move(min(ready) + dice.choice([-1, 0, 0, 60]), dice)
    return town.attempt(likely(town, dice, RecoveryFinish, account=whose, recovery=None))


def _office(town: Town, dice: Random) -> bytes:
    return name_address(dice.choice(["op", "op2", "m1", "m2"]))


def _recovering(town: Town, dice: Random) -> tuple[bytes, Any]:
    rows = [key[1:] for key, record in town.rows(b"d") if record.open]
    whose = dice.choice(rows) if rows else tourist(town, dice)
    return whose, town.view.get(b"A" + whose)


def _recovery(town: Town, dice: Random, whose: bytes) -> bytes | None:
    record = town.view.get(b"d" + whose)
    return dice.choice(record.open).id if record is not None and record.open and dice.random() < 0.5 else None


def asset_offer(town: Town, dice: Random) -> Act:
    rows = [row for row in town.rows(b"e") if not row[1].seller] or town.rows(b"e")
    if not rows:
        return first(town, dice, asset_register, AssetOffer)
    key, of = dice.choice(rows)
    price = None if of.price and dice.random() < 0.3 else dice.randint(1, 40)
    order_id = dice.choice([None, fresh(dice, "o")])
    return likely(town, dice, AssetOffer, of.owner, asset=key[1:].decode(), price=price, order_id=order_id)


def asset_swap(town: Town, dice: Random) -> Act:
    offered = [(key[1:].decode(), of) for key, of in town.rows(b"e") if of.price]
    if not offered:
        return first(town, dice, asset_offer, AssetSwap)
    asset, of = dice.choice(offered)
    price = of.price if dice.random() < 0.9 else amount(dice)
    return likely(town, dice, AssetSwap, asset=asset, price=price, class_id=None)


def asset_register(town: Town, dice: Random) -> Act:
    return likely(town, dice, AssetRegister, asset=fresh(dice, "as"))


def asset_return(town: Town, dice: Random) -> Act:
    sold = [(key[1:].decode(), of.owner) for key, of in town.rows(b"e") if of.seller]
    if not sold:
        return asset_swap(town, dice)
    asset, owner = dice.choice(sold)
    return likely(town, dice, AssetReturn, owner, asset=asset)


def offline_escrow(town: Town, dice: Random) -> Act:
    ttl, payer = dice.choice([60, 3_600, DAY]), tourist(town, dice)
    value = worth(town, dice, payer)
    return likely(town, dice, OfflineEscrow, payer, merchant=merchant(town, dice), value=value, ttl=ttl)


def campaign_create(town: Town, dice: Random) -> Act:
    class_id, of = a_class(town, dice)
    name, units = fresh(dice, "ca"), dice.choice([10, 50])
    people = [(name_address(n), units) for n in dice.sample(["u", "v", "w", "t", "x1"], 3)]
    town.lists.setdefault(name, people)
    starts = town.now + dice.choice([0, 0, 60])
    return likely(
        town, dice, CampaignCreate, of.issuer, campaign=name, class_id=class_id, budget=dice.choice([60, 1_000]),
        per_account=dice.choice([units, 60]), starts=starts, ends=starts + dice.choice([3_600, DAY, 5 * DAY, 60 * DAY]),
        root=dice.choice([None, list_root(name, town.lists[name]), list_root(name, town.lists[name])]),
    )  # fmt: skip


def campaign_claim(town: Town, dice: Random) -> Act:
    listed = [key[1:].decode() for key, of in town.rows(b"a") if key[1:].decode() in town.lists]
    if not listed:
        return campaign_create(town, dice)
    name = dice.choice(listed)
    people = town.lists[name]
    number = dice.randrange(len(people))
    who, units = people[number]
    if dice.random() < 0.1:
        units += 1
    proof = prove_entry(name, people, number)
    return likely(town, dice, CampaignClaim, who, campaign=name, units=units, proof=proof)


def batch_issue(town: Town, dice: Random) -> Act:
    rows = town.rows(b"a")
    if not rows:
        return campaign_create(town, dice)
    key, of = dice.choice(rows)
    people = [name_address(n) for n in dice.sample("uvwt", dice.randint(1, 3))]
    entries = tuple((who, dice.randint(1, 12)) for who in people)
    if dice.random() < 0.1:
        entries += entries[:1]
    return likely(
        town, dice, BatchIssue, of.issuer, campaign=key[1:].decode(), class_id=of.class_id, entries=entries
    )


def campaign_close(town: Town, dice: Random) -> Act:
    rows = town.rows(b"a")
    if not rows:
        return campaign_create(town, dice)
    key, of = dice.choice(rows)
    return likely(town, dice, CampaignClose, of.issuer, campaign=key[1:].decode())


ACTS: dict[str, Acting] = {
    act.__name__: act
    for act in (
        class_create, class_retire, reserve_attest, account_open, key_add, key_limit, guardians_set, recovery_start,
        recovery_approve, recovery_cancel, recovery_finish, asset_offer, asset_swap, asset_register, asset_return,
        offline_escrow, campaign_create, campaign_claim, batch_issue, campaign_close,
    )
} | {"key_revoke": key_revoked}  # fmt: skip
