"""Any decodable transaction from anybody gets a receipt, and no sequence of them breaks an invariant.

Bodies are drawn from the types alone, over small pools of names and a mix of small and extreme numbers, so that a new
kind is tested without a line here. Signatures are those of any account.
"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect

from points.invariants import violations
from points.state import FUND
from primitives.codes import Code
from primitives.genesis import Parameters
from primitives.kinds import BatchOperations, Issue, Operation
from tests.properties.world import World, key_of

START = 1_759_913_600
DAY = 86_400
NAMES = ["A", "B", "u", "v", "op", "bank", "reg", "kyc"]
CLASSES: dict[str, tuple[str, dict[str, Any]]] = {
    "hA": ("A", {"uv": 10_000, "validity_days": 365, "transferable": True}),
    "a3": ("A", {"uv": 3_333, "validity_days": 2, "pending_days": 1, "grace_days": 1}),
    "bX": ("B", {"uv": 1, "validity_days": 1_095, "transferable": True, "refund_policy": "FORFEIT"}),
}
NUMBERS = st.one_of(
    st.integers(0, 60), st.sampled_from([0, 1, 100, 3_600, START, START + 500, START + DAY, 10_000, 2**63, 2**64 - 1])
)
IDENTIFIERS = st.sampled_from(["o1", "o2", "f1", "hA", "a3", "bX", "x" * 64])
TEXTS = st.sampled_from([b"", b"memo", b"\xc3\x28", "海".encode() * 43, b"\xe2\x80\xae"])


def new_world() -> World:
    world = World(START, {"A": 50_000, "B": 2**62}, ["u", "v"], CLASSES, Parameters(settle_days=1, static_cap=50))
    for i, (class_id, units) in enumerate((("hA", 300), ("a3", 50), ("bX", 2**63))):
        body = Issue(class_id, world.address["u"], units, f"seed{i}", "EARN", 0)
        assert world.code(CLASSES[class_id][0], body) == "OK"
    return world


def bytes_of(info: inspect.BytesType, form: str, world: World, made: list[bytes]) -> st.SearchStrategy[bytes]:
    match form, info.max_length:
        case "address", _:
            return st.sampled_from([*world.address.values(), FUND, bytes([7]) * 20])
        case "text", _:
            return TEXTS
        case _, 32:
            return st.sampled_from([*map(key_of, NAMES), *made, bytes(32)])
        case _, size:
            return st.just(bytes(size or 0))


def value_of(info: inspect.Type, world: World, made: list[bytes]) -> st.SearchStrategy[Any]:
    form = "hex"
    if isinstance(info, inspect.Metadata):
        form, info = (info.extra or {}).get("form", "hex"), info.type
    match info:
        case inspect.BytesType():
            return bytes_of(info, form, world, made)
        case inspect.IntType():
            return NUMBERS
        case inspect.BoolType():
            return st.booleans()
        case inspect.StrType():
            legs = [world.leg(a, b) for a in ("A", "B", "FUND") for b in ("A", "B", "FUND")]
            return st.one_of(IDENTIFIERS, st.sampled_from(legs))
        case inspect.LiteralType(values=values):
            return st.sampled_from(values)
        case inspect.VarTupleType(item_type=item):
            items = st.lists(value_of(item, world, made), min_size=info.min_length or 0, max_size=3)
            return items.map(tuple)
        case inspect.TupleType(item_types=types):
            return st.tuples(*(value_of(of, world, made) for of in types))
        case inspect.UnionType(types=types):
            return st.one_of([value_of(of, world, made) for of in types])
        case inspect.NoneType():
            return st.none()
        case inspect.StructType(cls=cls):
            return st.builds(cls, **{field.name: value_of(field.type, world, made) for field in info.fields})
        case _:
            raise TypeError(f"no values for {info}")


@pytest.mark.pitfall(78)
@given(st.data())
def test_anything_decodable_gets_a_receipt(data: st.DataObject) -> None:
    world, made = new_world(), []
    kinds = [inspect.type_info(kind) for kind in Operation.__args__]
    for _ in range(data.draw(st.integers(1, 8))):
        body: Any
        kind = data.draw(st.sampled_from(kinds))
        body = data.draw(value_of(kind, world, made))
        if data.draw(st.integers(0, 5)) == 0:
            others = data.draw(st.lists(st.sampled_from(kinds), max_size=3))
            body = BatchOperations((body, *(data.draw(value_of(other, world, made)) for other in others)))
        sender = data.draw(st.sampled_from(NAMES))
        signers = data.draw(st.sampled_from([[sender], [sender], [sender], ["u"], [sender, "A"], ["bank", "A"]]))
        at = data.draw(st.sampled_from([None, None, None, world.now + 1, world.now + 100, world.now + 3 * DAY]))
        world.run(at=at)
        receipt = world.do(sender, body, sorted(set(signers)))
        if receipt.code != Code.OK:
            assert (world.changed, receipt.events) == ({}, ())
        made += [digest for event in receipt.events for _, digest in event.hashes]
        assert violations(world.memory, world.now) == []
