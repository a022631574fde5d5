"""Bodies out of their types and the names of their fields: what a field is called says where a likely value lies.

So a new kind is tried without a line here; kinds whose fields must fit each other have an act of their own.
"""

from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any

from msgspec import inspect

from points.state import FUND, AccountKind
from points.transition import RULES, Rule
from primitives.codes import Code
from tests.properties.town import DAY, Act, Town, address, key_of

STRANGERS = ("x1", "x2", "x3", "x4", "x5")
NONSENSE = (0, 1, 2**63, 2**64 - 1, 10_001)
GIANT = (2**64 - 1, 2**63, 2**63 - 1, 2**62, 2**60, 2**64 // 10_000, 2**63 // 10_000, 2**64 // 9_999)


_NO_RULE = Rule(lambda turn, body: Code.KIND_DISABLED, tuple(AccountKind))  # a kind that decodes and nobody may use


@cache
def _type_of(kind: type) -> inspect.StructType:
    found = inspect.type_info(kind)
    assert isinstance(found, inspect.StructType)
    return found


def amount(dice: Random) -> int:
    """Mostly small, so that points are spent down to the last unit."""
    sort = dice.random()
    if sort < 0.03:
        return dice.choice(NONSENSE)
    return dice.randint(1, 30) if sort < 0.5 else dice.randint(1, 300) if sort < 0.9 else dice.randint(0, 5_000)


def moment(town: Town, dice: Random) -> int:
    """A second, mostly to come."""
    return town.now + dice.choice([-1, 0, 1, 60, 3_600, DAY, DAY, 3 * DAY, 10 * DAY, 100 * DAY, 500 * DAY])


def fresh(dice: Random, prefix: str) -> str:
    """An identifier out of a small pool: they collide now and then (D2)."""
    return f"{prefix}{dice.randint(0, 400)}"


def some_key(town: Town, dice: Random) -> bytes:
    """Of nobody mostly; sometimes a key that an account has."""
    if dice.random() < 0.85:
        return key_of(f"k{dice.randint(0, 40)}")
    accounts = [account for _, account in town.rows(b"A") if account.keys]
    return dice.choice(dice.choice(accounts).keys).key


def named(town: Town, dice: Random, prefix: bytes, otherwise: str) -> str:
    """The name of a record under the prefix, or a new one."""
    rows = town.rows(prefix)
    return dice.choice(rows)[0][1:].decode() if rows and dice.random() < 0.9 else fresh(dice, otherwise)


def merchant(town: Town, dice: Random) -> bytes:
    """Any that the state knows."""
    return dice.choice(town.rows(b"M"))[0][1:] if dice.random() < 0.97 else dice.choice(town.accounts())


def tourist(town: Town, dice: Random) -> bytes:
    """Mostly one with points, if anybody has some."""
    rich = [key[1:] for key, holdings in town.rows(b"L") if holdings.lots]
    if rich and dice.random() < 0.8:
        return dice.choice(rich)
    plain = [key[1:] for key, account in town.rows(b"A") if account.kind is AccountKind.TOURIST]
    return dice.choice(plain) if plain and dice.random() < 0.95 else dice.choice(town.accounts())


def _window(town: Town, dice: Random) -> int:
    rows = town.rows(b"W")
    return int.from_bytes(dice.choice(rows)[0][1:], "big") if dice.random() < 0.95 else dice.randint(0, 99)


NAMED: dict[str, Callable[[Town, Random], Any]] = {
    "class_id": lambda t, d: named(t, d, b"C", "cl"),
    "to_class": lambda t, d: named(t, d, b"C", "cl"),
    "campaign": lambda t, d: named(t, d, b"a", "ca"),
    "asset": lambda t, d: named(t, d, b"e", "as"),
    "proposal": lambda t, d: named(t, d, b"h", "p"),
    "sandbox": lambda t, d: named(t, d, b"s", "sb") if t.rows(b"s") else fresh(d, "sb"),
    "order_id": lambda t, d: fresh(d, "o"),
    "refund_id": lambda t, d: fresh(d, "r"),
    "namespace": lambda t, d: d.choice(["elderly-care", "education", "errata"]),
    "rights_code": lambda t, d: d.choice(["ticket", "copyright"]),
    "address": lambda t, d: d.choice(["node.example:7000", "node.example:0"]),
    "merchant": merchant,
    "account": tourist,
    "to": tourist,
    "target": lambda t, d: d.choice(t.accounts()),
    "key": some_key,
    "window": _window,
    "until": moment,
    "expires": moment,
    "expires_at": moment,
    "at": moment,
    "starts": lambda t, d: t.now + d.choice([-DAY, 0, 0, 60]),
    "start": lambda t, d: t.now + d.choice([0, 0, 60, DAY]),
    "ends": moment,
    "end": moment,
    "as_of": lambda t, d: t.now - d.choice([0, 0, 0, 1, DAY]),
    "ttl": lambda t, d: d.choice([60, 3_600, DAY, 3 * DAY, 7 * DAY, 30 * DAY, 30 * DAY, 59]),
    "memo": lambda t, d: d.choice([b"", b"", "谢谢".encode()] * 9 + [b"\xc3\x28", b"x" * 129]),
    "reason": lambda t, d: b"why",
    "units": lambda t, d: d.choice(GIANT) if t.giant and d.random() < 0.5 else amount(d),
    "value": lambda t, d: d.choice(GIANT) if t.giant and d.random() < 0.5 else amount(d),
    "price": lambda t, d: d.randint(0, 60),
    "validity_days": lambda t, d: d.choice([1, 3, 30, 1_095, 1_096]),
    "pending_days": lambda t, d: d.choice([0, 0, 1]),
    "grace_days": lambda t, d: d.choice([0, 3, 30]),
    "uv": lambda t, d: d.choice([1, 777, 9_999, 10_000, 10_001]),
    "tier": lambda t, d: d.randint(0, 3),
    "threshold": lambda t, d: d.choice([1, 1, 1, 2, 0]),
    "earn_cap_bps": lambda t, d: d.choice([0, 0, 2_000]),
    "scope": lambda t, d: d.choice([(), (), ("HOTEL",), ("HOTEL", "HOTEL")]),
    "display_decimals": lambda t, d: d.choice([0, 2, 9]),
    "exchange_in_quota": lambda t, d: d.choice([None, 10]),
    "max_per_order": lambda t, d: d.choice([None, 100, 0]),
    "credit_limit": lambda t, d: d.choice([0, 500, 10_000]),
    "quota": lambda t, d: d.choice([0, 500, 100_000]),
    "reserve_ratio_bps": lambda t, d: d.choice([0, 0, 1, 2_500, 10_000, 10_001]),
    "name_zh": lambda t, d: "新店",
    "name_en": lambda t, d: d.choice(["New Inn", "A\x07B"]),
}


def fill(kind: type, town: Town, dice: Random, /, **fixed: Any) -> Any:
    """A body or record of this type; what `fixed` names is as given."""
    values = {
        field.name: fixed[field.name] if field.name in fixed else _field(field, town, dice)
        for field in _type_of(kind).fields
    }
    return kind(**values)


def _field(field: inspect.Field, town: Town, dice: Random) -> Any:
    if field.name in NAMED:
        optional = isinstance(field.type, inspect.UnionType)
        if optional and dice.random() < 0.3:
            return None
        value = NAMED[field.name](town, dice)
        if _fits(field.type, value):
            return value
    return _value(field.type, town, dice)


def _fits(info: inspect.Type, value: Any) -> bool:
    """Whether the value of a name is of the field's type: `key` and `to` may mean other things elsewhere."""
    if isinstance(info, inspect.Metadata):
        info = info.type
    if isinstance(info, inspect.UnionType):
        return any(_fits(of, value) for of in info.types)
    match value:
        case bytes():
            fits = isinstance(info, inspect.BytesType)
            return fits and (info.min_length or 0) <= len(value) <= (info.max_length or 2**16)
        case bool():
            return isinstance(info, inspect.BoolType)
        case int():
            return isinstance(info, inspect.IntType)
        case str():
            return isinstance(info, inspect.StrType)
        case None:
            return isinstance(info, inspect.NoneType)
        case tuple():
            return isinstance(info, inspect.VarTupleType)
    return False


def _value(info: inspect.Type, town: Town, dice: Random) -> Any:
    form = "hex"
    if isinstance(info, inspect.Metadata):
        form, info = (info.extra or {}).get("form", "hex"), info.type
    match info:
        case inspect.BytesType():
            if form == "address":
                return dice.choice([*town.accounts(), FUND, bytes([7]) * 20])
            if info.max_length == 32 or (info.min_length == 32 and dice.random() < 0.9):
                return key_of(f"k{dice.randint(0, 40)}")
            return bytes(info.min_length or 0) if form != "text" else dice.choice([b"", b"note"])
        case inspect.IntType():
            return amount(dice)
        case inspect.BoolType():
            return dice.random() < 0.5
        case inspect.StrType():
            return fresh(dice, "s")
        case inspect.LiteralType(values=values):
            return dice.choice(values)
        case inspect.VarTupleType(item_type=item):
            return tuple(_value(item, town, dice) for _ in range(dice.randint(info.min_length or 0, 2)))
        case inspect.TupleType(item_types=types):
            return tuple(_value(of, town, dice) for of in types)
        case inspect.UnionType(types=types):
            return _value(dice.choice(types), town, dice)
        case inspect.NoneType():
            return None
        case inspect.StructType(cls=cls):
            return fill(cls, town, dice)
        case _:
            raise TypeError(f"no values for {info}")


def entitled(town: Town, rule: Rule, dice: Random) -> bytes:
    """Somebody who may send a kind of this rule."""
    if rule.bits and (not rule.senders or dice.random() < 0.3):
        return dice.choice(town.holding(rule.bits) or town.accounts())
    if AccountKind.TOURIST in rule.senders and (len(rule.senders) == 1 or dice.random() < 0.5):
        return tourist(town, dice)
    if AccountKind.MERCHANT in rule.senders:
        return merchant(town, dice)
    return dice.choice(town.accounts())


def likely(town: Town, dice: Random, kind: type, sender: bytes | None = None, /, **fixed: Any) -> Act:
    """An act of this kind by somebody who may, filled by names; `sender` and fields as given."""
    rule = RULES.get(kind, _NO_RULE)
    who = entitled(town, rule, dice) if sender is None else sender
    return Act(who, fill(kind, town, dice, **fixed), town.keys_for(who, rule.role, dice))


def first(town: Town, dice: Random, before: Callable[[Town, Random], Act], kind: type) -> Act:
    """What must come before the kind is possible at all; sometimes the kind all the same."""
    return before(town, dice) if dice.random() < 0.85 else likely(town, dice, kind)


def worth(town: Town, dice: Random, payer: bytes) -> int:
    """Fen that the payer may well have."""
    holdings = town.view.get(b"L" + payer)
    uy = sum(lot.avail * town.view.get(b"C" + lot.class_id.encode()).uv for lot in holdings.lots) if holdings else 0
    return dice.randint(1, max(1, uy // 10_000)) if dice.random() < 0.8 else amount(dice)


def a_class(town: Town, dice: Random) -> tuple[str, Any]:
    """(id, record) of any class."""
    key, of = dice.choice(town.rows(b"C"))
    return key[1:].decode(), of


def stranger(dice: Random) -> str:
    """Somebody who may not have an account yet."""
    return dice.choice(STRANGERS)


def name_address(name: str) -> bytes:
    """Of a name of the town."""
    return bytes(address(name))
