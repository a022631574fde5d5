"""An offline escrow against a small model: what was promised, what was taken, which codes are used, until when."""

from hypothesis import given
from hypothesis import strategies as st

from points.escrows import escrow_id
from points.invariants import violations
from points.keys import hold_key
from points.state import Hold, HoldState
from primitives.codes import Code
from primitives.genesis import Parameters
from primitives.kinds import Issue
from primitives.kinds_assets import OfflineEscrow
from tests.properties.bans import purses, worth
from tests.properties.world import World

START = 1_759_913_600
HOUR, DAY = 3_600, 86_400
CLASSES = {
    "hA": ("A", {"uv": 10_000, "validity_days": 300}),
    "a3": ("A", {"uv": 3_333, "validity_days": 1}),
    "b7": ("B", {"uv": 7_000, "validity_days": 30}),
}
UNITS = st.tuples(st.integers(0, 40), st.integers(5, 40), st.integers(5, 40))
WAITS = st.sampled_from([0, 0, 0, 60, HOUR])
CODES = st.lists(st.tuples(st.integers(0, 5), st.integers(1, 15), WAITS), min_size=1, max_size=12)


def fen(world: World) -> int:
    """uY that u has, held ones included."""
    return worth(purses(world.memory, world.now).get(world.address["u"], {}), world.memory)


@given(UNITS, st.integers(5, 60), st.sampled_from([60, 8 * HOUR, DAY]), CODES)
def test_an_escrow_pays_each_code_once_and_never_more_than_was_set_aside(
    units: tuple[int, int, int], value: int, ttl: int, codes: list[tuple[int, int, int]]
) -> None:
    world = World(START, {"A": 10**6, "B": 10**6, "C": 10**6}, ["u"], CLASSES, Parameters())
    for number, (class_id, count) in enumerate(zip(CLASSES, units, strict=True)):
        if count:
            body = Issue(class_id, world.address["u"], count, f"i{number}", "EARN", 0)
            assert world.code(CLASSES[class_id][0], body) == "OK"
    had = fen(world)
    opened = world.code("u", OfflineEscrow(world.address["C"], value, ttl))
    assert opened == ("OK" if had >= value * 10_000 else "INSUFFICIENT")
    if opened != "OK":
        return
    where, end = hold_key(escrow_id(world.address["u"], world.address["C"])), world.now + ttl
    shown = {seq: world.offline_code("u", "C", seq, 25, ttl).pay_code for seq in range(6)}
    taken: list[int] = []
    used: set[int] = set()
    for number, (seq, amount, wait) in enumerate(codes):
        if wait:
            world.run(at=world.now + wait)
        hold: Hold = world.memory.get(where)
        spent_before, hold_before = fen(world), hold.value
        receipt = world.do("C", type(world.offline_code("u", "C", 0, 1, 1))(shown[seq], amount, f"o{number}"))
        promised = hold.state is HoldState.OPEN and amount <= hold_before
        assert (receipt.code == Code.OK) == (promised and seq not in used and world.now < end)
        if receipt.code == Code.OK:
            used.add(seq)
            taken.append(amount)
            left = world.memory.get(where)
            assert left.state is HoldState.CAPTURED or hold_before - amount - 1 <= left.value <= hold_before - amount
            assert amount * 10_000 <= spent_before - fen(world)
        else:
            assert fen(world) == spent_before
        assert violations(world.memory, world.now) == []
    assert sum(taken) <= value
    world.run(at=max(world.now, end))
    assert world.memory.get(where).state is not HoldState.OPEN
    assert all(world.units("u", class_id)[2] == 0 for class_id in CLASSES)
    assert violations(world.memory, world.now) == []
