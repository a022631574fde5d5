"""What no transaction of any kind may do, as a comparison of two states and the receipts between them (2.1, D3).

Points are granted by a merchant's issue, move along named events, and otherwise only dwindle. So whatever a kind is
called: if somebody has more than before, a receipt names that person and the reason.
"""

from collections.abc import Iterator, Sequence

from points.keys import account_key, class_key, merchant_key
from points.state import FUND, AccountKind
from points.view import View
from primitives.codes import Code
from primitives.receipt import Receipt

Purse = dict[str, int]  # class -> units, held ones included
GIVING = {
    "Issued": "to", "Refunded": "payer", "Transferred": "to", "Exchanged": "holder", "ErrataCredited": "to",
}  # event -> who gets points  # fmt: skip
_PARTIES = ((b"Y", 9), (b"E", 9))  # obligations and payments: prefix, where debtor and creditor begin
_POSITIONS = (b"N", 9)


def purses(view: View, time_s: int) -> dict[bytes, Purse]:
    """Everybody's units that are not expired."""
    found: dict[bytes, Purse] = {}
    for key, holdings in view.range(b"L", b"M"):
        mine: Purse = {}
        for lot in holdings.lots:
            if lot.bucket > time_s or lot.held:
                units = lot.held + (lot.avail if lot.bucket > time_s else 0)
                mine[lot.class_id] = mine.get(lot.class_id, 0) + units
        found[key[1:]] = mine
    return found


def broken_bans(
    before: dict[bytes, Purse], after: dict[bytes, Purse], receipts: Sequence[Receipt], view: View
) -> Iterator[str]:
    """Sentences about what happened between the purses; `view`: the state after."""
    yield from _holders(after, view)
    yield from _money(view)
    yield from _markets(view)
    allowed = _granted(receipts)
    for who, mine in after.items():
        old = before.get(who, {})
        for class_id, units in mine.items():
            if units > old.get(class_id, 0) and (who, class_id) not in allowed and (who, "") not in allowed:
                yield f"{who.hex()} gained {units - old.get(class_id, 0)} of {class_id}, and no receipt says why"
        if who not in {name for name, _ in allowed if (name, "rises") in allowed}:
            rise = worth(mine, view) - worth(old, view)
            if rise > 0:
                yield f"{who.hex()} is {rise} uY richer, and nobody granted or returned that"


def worth(purse: Purse, view: View) -> int:
    """uY."""
    return sum(units * view.get(class_key(class_id)).uv for class_id, units in purse.items())


def _granted(receipts: Sequence[Receipt]) -> set[tuple[bytes, str]]:
    """(account, class) that may have more units, (account, "") for any class; "rises": its whole value may rise too."""
    found: set[tuple[bytes, str]] = set()
    for receipt in receipts:
        if receipt.code != Code.OK:
            assert not receipt.events, "a reject left events"
        for event in receipt.events:
            role = GIVING.get(event.kind)
            if role is None:
                continue
            fields, who = dict(event.fields), dict(event.accounts)[role]
            if event.kind == "Exchanged":  # another class, never more value (INV-11)
                found.add((who, str(fields["to_class"])))
                continue
            found |= {(who, "" if event.kind == "Refunded" else str(fields["class"])), (who, "rises")}
    return found


def _holders(after: dict[bytes, Purse], view: View) -> Iterator[str]:
    for who, mine in after.items():
        account = view.get(account_key(who))
        if mine and (account is None or account.kind is not AccountKind.TOURIST):
            yield f"{who.hex()} is no tourist and holds {mine}"


def _money(view: View) -> Iterator[str]:
    """Claims in money stand between merchants and the fund only: no holder is a debtor or creditor of anything."""
    for prefix, start in _PARTIES:
        for key, _ in view.range(prefix, bytes([prefix[0] + 1])):
            for party in (key[start : start + 20], key[start + 20 : start + 40]):
                if party != FUND and view.get(merchant_key(party)) is None:
                    yield f"{prefix.decode()}: {party.hex()} is a party and no merchant"
    prefix, start = _POSITIONS
    for key, _ in view.range(prefix, bytes([prefix[0] + 1])):
        party = key[start : start + 20]
        if party != FUND and view.get(merchant_key(party)) is None:
            yield f"position: {party.hex()} is no merchant"


def _markets(view: View) -> Iterator[str]:
    """What a tourist owns is for sale to nobody."""
    for key, asset in view.range(b"e", b"f"):
        if asset.price and view.get(merchant_key(asset.owner)) is None:
            yield f"asset {key[1:].decode()} of {asset.owner.hex()} is offered by no merchant"
