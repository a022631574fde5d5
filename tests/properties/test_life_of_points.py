"""How long points live, and that nothing lengthens it: the clause that no conservation law can see (INV-10, INV-12)."""

from hypothesis import given
from hypothesis import strategies as st

from points.invariants import violations
from primitives.kinds import Exchange, Redeem, Refund, Transfer
from tests.properties.reference_records import expiry_of
from tests.properties.small_market import CLASSES, DAY, MIDNIGHT, START, UY, issue, new_world, value_of


def test_the_balance_does_not_collapse_when_one_lot_expires() -> None:
    """Only the expired lot goes; older software dropped the whole account's balance at the first expiry."""
    world = new_world()
    assert issue(world, "a1", "u", 30, "o1") == issue(world, "hA", "u", 70, "o2") == "OK"
    world.run(at=MIDNIGHT + DAY)
    assert (world.units("u", "a1"), world.units("u", "hA")) == ((0, 0, 0), (70, 0, 0))
    assert world.redeem("u", "B", "r1", 70) == "OK"
    assert world.counters("a1")[4] == 30
    assert violations(world.memory, world.now) == []


def test_points_expire_although_nobody_touches_the_account() -> None:
    """The bucket closes with its block: counters and books fall without a transaction of the holder (INV-12)."""
    world = new_world()
    assert issue(world, "a1", "u", 30, "o1") == "OK"
    world.run(at=MIDNIGHT + DAY - 1)
    assert world.books("A") == (30 * UY, 0)
    world.run(at=MIDNIGHT + DAY)
    assert world.counters("a1") == (30, 0, 0, 0, 30, 0)
    assert world.books("A") == (0, 0)
    world.run(at=MIDNIGHT + 40 * DAY)
    assert world.counters("a1")[4] == 30
    assert world.redeem("u", "B", "r1", 1) == "INSUFFICIENT"


def test_points_expire_as_first_transaction_of_the_boundary_block() -> None:
    """Expiry is a matter of block time, not of what the block has executed yet (scenario 9)."""
    world = new_world()
    assert issue(world, "a1", "u", 100, "o1") == "OK"
    world.now = MIDNIGHT + DAY - 1
    early = world.transaction("u", Redeem(world.request("B", "r1", 1), 1))
    assert world.run(early, at=MIDNIGHT + DAY - 1)[0].code == 0
    late = world.transaction("u", Redeem(world.request("B", "r2", 1), 1))
    assert world.run(late, at=MIDNIGHT + DAY)[0].code == 3003


@given(st.permutations(["hA", "a1", "hB", "b1", "b9", "a2"]), st.sampled_from(["A", "B", "C"]), st.integers(1, 400))
def test_points_are_spent_soonest_first(order: list[str], payee: str, value: int) -> None:
    """FEFO by (expiry, issuer is not the payee, class id), whatever the order in which the points came (D6)."""
    world = new_world()
    for i, class_id in enumerate(order):
        issue(world, class_id, "u", 60, f"o{i}")
    expiry = {class_id: bucket for bucket, class_id, _ in world.lots("u")}
    receipt = world.do("u", Redeem(world.request(payee, "r1", value), value))
    assert receipt.code == (3003 if value > 60 * 4 + 60 * 9_999 // UY + 12 else 0)
    spent = [str(dict(event.fields)["class"]) for event in receipt.events if event.kind == "RedeemedLeg"]
    due = sorted(order, key=lambda class_id: (expiry[class_id], CLASSES[class_id][0] != payee, class_id))
    emptied = [class_id for class_id in due if world.units("u", class_id)[0] == 0]
    assert spent[: len(emptied)] == due[: len(emptied)] == emptied[:]
    assert len(spent) <= len(emptied) + 2  # one lot in part, one unit that overshoots


@given(
    st.sampled_from(["hA", "a2", "a1", "hB", "b9", "b1"]), st.sampled_from(["hA", "a2", "a1", "hB", "b9", "b1"]),
    st.integers(10, 100), st.integers(0, 25),
)  # fmt: skip
def test_exchange_never_lengthens_life(source: str, to_class: str, units: int, days: int) -> None:
    """The named clause of INV-10 that no conservation law sees: out expires no later than the earliest unit in, and
    no later than a unit of to_class issued today."""
    world = new_world()
    issue(world, source, "u", 60, "o1")
    world.run(at=START + days * DAY)
    issue(world, source, "u", 60, "o2")
    taken = min(lot[0] for lot in world.lots("u") if lot[1] == source)
    if world.code("u", Exchange(source, units, to_class, 0)) != "OK":
        return
    made = [lot for lot in world.lots("u") if lot[1] == to_class]
    assert len(made) == 1
    today = (world.now + 28_800) // DAY
    fields = CLASSES[to_class][1]
    assert made[0][0] == min(taken, expiry_of(today, int(str(fields["validity_days"])), "DAY"))


def test_exchange_there_and_back_does_not_launder_expiry() -> None:
    """One-day points stay one-day points through any class, and their mark of a re-dated lot stays with them."""
    world = new_world()
    issue(world, "a1", "u", 1_000, "o1")
    assert world.code("u", Exchange("a1", 1_000, "hB", 0)) == "OK"
    assert world.code("u", Exchange("hB", 990, "hA", 0)) == "OK"
    assert {lot[0] for lot in world.lots("u")} == {MIDNIGHT + DAY}
    world.run(at=MIDNIGHT + DAY)
    assert value_of(world, "u") == 0


def test_transfer_does_not_launder_expiry() -> None:
    world = new_world()
    issue(world, "a1", "u", 100, "o1")
    issue(world, "a1", "u", 20, "o2")
    before = world.lots("u")
    assert world.code("u", Transfer("a1", 120, world.address["v"])) == "OK"
    assert world.lots("v") == before
    assert world.code("v", Transfer("a1", 120, world.address["u"])) == "OK"
    assert world.lots("u") == before
    world.run(at=MIDNIGHT + DAY)
    assert world.lots("u") == {}


def test_transfer_keeps_the_mark_of_a_re_dated_lot() -> None:
    world = new_world()
    issue(world, "a1", "u", 100, "o1")
    assert world.redeem("u", "B", "r1", 100) == "OK"
    world.run(at=MIDNIGHT + DAY)
    assert world.code("B", Refund("r1", "f1", 100)) == "OK"
    before = world.lots("u")
    assert {lot[2] for lot in before} == {1}
    assert world.code("u", Transfer("a1", 100, world.address["v"])) == "OK"
    assert world.lots("v") == before


def test_refund_re_dates_once() -> None:
    """GRACE gives its days once: a re-dated lot that expires after a second refund is gone (D13)."""
    world = new_world()
    issue(world, "a1", "u", 100, "o1")
    assert world.redeem("u", "B", "r1", 100) == "OK"
    world.run(at=MIDNIGHT + 3 * DAY)
    assert world.code("B", Refund("r1", "f1", 100)) == "OK"
    redated = MIDNIGHT + (3 + 5 + 1) * DAY
    assert world.lots("u") == {(redated, "a1", 1): 100}
    assert world.redeem("u", "A", "r2", 60) == "OK"
    assert world.code("u", Exchange("a1", 40, "hA", 0)) == "OK"
    assert world.lots("u") == {(redated, "hA", 1): 39}
    assert world.redeem("u", "A", "r3", 39) == "OK"
    world.run(at=redated)
    for order_id, value in (("r2", 60), ("r3", 39)):
        assert world.code("A", Refund(order_id, "f1", value)) == "OK"
    assert world.lots("u") == {}
    assert violations(world.memory, world.now) == []


def test_a_refund_before_expiry_returns_the_old_expiry() -> None:
    world = new_world()
    issue(world, "a1", "u", 100, "o1")
    world.redeem("u", "B", "r1", 100)
    assert world.code("B", Refund("r1", "f1", 40)) == "OK"
    assert world.lots("u") == {(MIDNIGHT + DAY, "a1", 0): 40}
