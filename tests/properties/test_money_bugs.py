"""Ways to make or lose money that were found in real systems, each with its own test."""

from hypothesis import given
from hypothesis import strategies as st

from points.invariants import violations
from primitives.genesis import Parameters
from primitives.kinds import (
    Authorize,
    Capture,
    Exchange,
    Issue,
    LegConfirm,
    LegPaid,
    PayCode,
    RedeemByToken,
    Refund,
    ReverseIssue,
    Transfer,
    Void,
    WindowClose,
)
from tests.properties.small_market import CLASSES, UY, issue, new_world, owed, value_of
from tests.properties.world import NO_SIGNATURE, key_of


def test_a_replayed_award_is_the_first_one() -> None:
    world = new_world()
    assert issue(world, "hA", "u", 100, "o1") == "OK"
    for _ in range(20):
        assert issue(world, "hA", "u", 100, "o1") == "OK_DUPLICATE"
        assert world.changed == {}
    assert world.units("u", "hA") == (100, 0, 0)


def test_a_double_redemption_pays_once() -> None:
    """The same order by another path, another payer, another amount: one payment."""
    world = new_world()
    issue(world, "hA", "u", 1_000, "o1")
    issue(world, "hA", "v", 1_000, "o2")
    assert world.redeem("u", "B", "r1", 400) == "OK"
    assert world.redeem("u", "B", "r1", 400) == "OK_DUPLICATE"
    assert world.charge("u", "B", "r1", 400, 1) == "IDEMPOTENCY_CONFLICT"
    assert world.redeem("v", "B", "r1", 400) == "IDEMPOTENCY_CONFLICT"
    assert (world.units("u", "hA")[0], world.units("v", "hA")[0]) == (600, 1_000)


def test_a_pay_code_pays_once_at_any_merchant() -> None:
    world = new_world()
    issue(world, "hA", "u", 1_000, "o1")
    code = PayCode(world.address["u"], key_of("u"), 7, 500, world.now + 60, NO_SIGNATURE)
    assert world.code("B", RedeemByToken(code, 500, "r1")) == "OK"
    assert world.code("B", RedeemByToken(code, 500, "r2")) == "TOKEN_USED"
    assert world.code("C", RedeemByToken(code, 1, "r1")) == "TOKEN_USED"
    longer = PayCode(world.address["u"], key_of("u"), 7, 900, world.now + 59, NO_SIGNATURE)
    assert world.code("C", RedeemByToken(longer, 1, "r1")) == "TOKEN_USED"
    assert world.units("u", "hA")[0] == 500


def test_a_refund_is_paid_once() -> None:
    world = new_world()
    issue(world, "hA", "u", 1_000, "o1")
    world.redeem("u", "B", "r1", 1_000)
    assert world.code("B", Refund("r1", "f1", 600)) == "OK"
    assert world.code("B", Refund("r1", "f1", 600)) == "OK_DUPLICATE"
    assert world.code("B", Refund("r1", "f1", 400)) == "IDEMPOTENCY_CONFLICT"
    assert world.code("B", Refund("r1", "f2", 401)) == "REFUND_EXCEEDS"
    assert world.code("B", Refund("r1", "f2", 400)) == "OK"
    assert world.code("B", Refund("r1", "f3", 1)) == "REFUND_EXCEEDS"
    assert world.units("u", "hA") == (1_000, 0, 0)


def test_a_hold_counts_against_the_balance() -> None:
    """Held points pay for nothing else, cannot be exchanged, given away or reversed, and are held once."""
    world = new_world(Parameters(transfer_day=0))
    issue(world, "hA", "u", 100, "o1")
    assert world.code("u", Authorize(world.address["B"], 80, 3_600)) == "OK"
    assert world.units("u", "hA") == (20, 0, 80)
    assert world.redeem("u", "B", "r1", 21) == "INSUFFICIENT"
    assert world.code("u", Authorize(world.address["C"], 21, 3_600)) == "INSUFFICIENT"
    assert world.code("u", Exchange("hA", 21, "hB", 0)) == "INSUFFICIENT"
    assert world.code("u", Transfer("hA", 21, world.address["v"])) == "INSUFFICIENT"
    assert world.code("A", ReverseIssue("o1", 100)) == "OK"
    assert world.units("u", "hA") == (0, 0, 80)
    assert violations(world.memory, world.now) == []


@given(
    st.lists(st.tuples(st.sampled_from(["hA", "a2", "hB", "b9"]), st.integers(1, 50)), min_size=1, max_size=6),
    st.integers(1, 120),
)
def test_what_is_selected_is_what_is_taken(lots: list[tuple[str, int]], value: int) -> None:
    """The legs of an order, the balance that falls, and the counters that rise are the same units."""
    world = new_world()
    for i, (class_id, units) in enumerate(lots):
        issue(world, class_id, "u", units, f"o{i}")
    before = {class_id: world.units("u", class_id)[0] for class_id in CLASSES}
    if world.redeem("u", "C", "r1", value) != "OK":
        assert world.changed == {}
        return
    spent = {class_id: before[class_id] - world.units("u", class_id)[0] for class_id in CLASSES}
    uv = {class_id: int(str(fields["uv"])) for class_id, (_, fields) in CLASSES.items()}
    for class_id, units in spent.items():
        assert world.counters(class_id)[3] == units
    worth = sum(units * uv[class_id] for class_id, units in spent.items())
    gross = world.gross(1)
    assert worth == sum(gross.values())  # nobody redeems at home here
    paid = sum(value for (_, creditor), value in gross.items() if creditor == "C")
    fees_and_over = sum(value for (_, creditor), value in gross.items() if creditor == "FUND")
    assert paid <= value * UY <= worth == paid + fees_and_over
    assert worth - value * UY < max(uv[c] for c, units in spent.items() if units)


def test_what_is_owed_counts_against_the_cap() -> None:
    """Points redeemed elsewhere stay on the issuer's exposure until they are settled; at home they free it (INV-7)."""
    world = new_world()
    cap = 4_000_000 * 10_000 // 4_000
    assert issue(world, "hA", "u", cap, "o1") == "OK"
    assert world.redeem("u", "B", "r1", 5_000) == "OK"
    assert issue(world, "hA", "u", 1, "o2") == "RESERVE_EXCEEDED"
    assert world.changed == {}
    assert world.redeem("u", "A", "r2", 5_000) == "OK"
    assert issue(world, "hA", "u", 5_000, "o2") == "OK"
    assert issue(world, "hA", "u", 1, "o3") == "RESERVE_EXCEEDED"


@given(st.sampled_from(["hA", "a2", "hB", "b9"]), st.sampled_from(["hA", "a2", "hB", "b9"]), st.integers(1, 900))
def test_an_exchange_is_exact_and_rounds_against_the_holder(source: str, to_class: str, units: int) -> None:
    """INV-10: x uvA = y uvD + fee + dust, the fee rounded up, the dust below one unit."""
    world = new_world()
    issue(world, source, "u", 900, "o1")
    receipt = world.do("u", Exchange(source, units, to_class, 0))
    if receipt.code:
        return
    told = {name: int(value) for name, value in receipt.events[0].fields if isinstance(value, int)}
    value = units * int(str(CLASSES[source][1]["uv"]))
    unit = int(str(CLASSES[to_class][1]["uv"]))
    assert told["fee"] == -(-value * 100 // UY)
    assert 0 <= told["dust"] < unit
    assert value == told["out"] * unit + told["fee"] + told["dust"]
    assert world.units("u", to_class)[0] == told["out"]


def test_giving_the_same_points_twenty_times_gives_them_once() -> None:
    """A gift moves units; twenty gifts in one block move no more than there are."""
    world = new_world()
    issue(world, "hA", "u", 100, "o1")
    gifts = [world.transaction("u", Transfer("hA", 100, world.address["v"])) for _ in range(20)]
    codes = [receipt.code for receipt in world.run(*gifts)]
    assert codes == [0] + [3003] * 19
    assert (world.units("u", "hA"), world.units("v", "hA")) == ((0, 0, 0), (100, 0, 0))
    assert world.counters("hA") == (100, 0, 0, 0, 0, 0)


def test_a_refund_after_payout_is_owed_by_the_merchant() -> None:
    """Once the merchant has the money, a refund makes it the debtor of the issuer; nothing is reopened (scenario 5)."""
    world = new_world()
    issue(world, "hA", "u", 3_000, "o1")
    world.redeem("u", "B", "r1", 3_000)
    world.code("op", WindowClose())
    for creditor, payee in (("B", "B"), ("FUND", "bank")):
        assert world.code("A", LegPaid(1, world.leg("A", creditor), bytes(32))) == "OK"
        assert world.code(payee, LegConfirm(1, world.leg("A", creditor))) == "OK"
    before = world.gross(1)
    assert world.code("B", Refund("r1", "f1", 1_000)) == "OK"
    assert world.gross(1) == before
    assert world.gross(2) == {("B", "A"): 9_950_000, ("FUND", "A"): 50_000}
    assert world.books("B") == (0, 9_950_000)


def test_a_thousand_tiny_exchanges_harvest_no_rounding() -> None:
    """Every hop rounds against the holder: a thousand of them never beat one, and there and back never gains."""
    world = new_world()
    issue(world, "a2", "u", 1_000, "o1")
    issue(world, "a2", "v", 1_000, "o2")
    for _ in range(100):
        world.run(*(world.transaction("u", Exchange("a2", 10, "b9", 0)) for _ in range(10)))
    assert world.code("v", Exchange("a2", 1_000, "b9", 0)) == "OK"
    assert world.units("u", "a2")[0] in (0, 1_000)  # each hop of ten: 20,000 uY - 200 = 1 unit of 9,999
    assert world.units("u", "b9")[0] <= world.units("v", "b9")[0] == 198
    assert value_of(world, "u") <= value_of(world, "v") <= 1_980_000
    assert owed(world) == 0


@given(st.lists(st.tuples(st.sampled_from(["hA", "a2", "hB", "b9"]), st.integers(1, 200)), max_size=40))
def test_no_sequence_of_exchanges_raises_what_a_holder_has(hops: list[tuple[str, int]]) -> None:
    """INV-11; and every exchange is exact: what the holder loses, the fund is owed (INV-10)."""
    world = new_world()
    issue(world, "hA", "u", 200, "o1")
    issue(world, "b9", "u", 200, "o2")
    start = value_of(world, "u")
    source = "hA"
    for to_class, units in hops:
        before = value_of(world, "u")
        if world.code("u", Exchange(source, units, to_class, 0)) == "OK":
            assert value_of(world, "u") < before
            to_fund = sum(value for (_, creditor), value in world.gross(1).items() if creditor == "FUND")
            assert start - value_of(world, "u") == to_fund
        source = to_class
    assert violations(world.memory, world.now) == []


@given(st.integers(1, 400), st.data())
def test_any_split_of_a_refund_returns_every_unit(value: int, data: st.DataObject) -> None:
    """D7: in whatever parts an order is refunded, all units come back and the obligations net to nothing."""
    world = new_world()
    issue(world, "b9", "u", 150, "o1")
    issue(world, "a2", "u", 700, "o2")
    issue(world, "hA", "u", 200, "o3")
    before = world.lots("u")
    if world.redeem("u", "C", "r1", value) != "OK":
        return
    left, number = value, 0
    while left:
        part = data.draw(st.integers(1, left))
        assert world.code("C", Refund("r1", f"f{number}", part)) == "OK"
        left, number = left - part, number + 1
    assert world.lots("u") == before
    gross = world.gross(1)
    parties = {name for pair in gross for name in pair}
    nets = {
        who: sum(v for (_, c), v in gross.items() if c == who) - sum(v for (d, _), v in gross.items() if d == who)
        for who in parties
    }
    assert set(nets.values()) <= {0}
    assert violations(world.memory, world.now) == []


@given(st.integers(1, 300), st.integers(0, 300), st.booleans())
def test_a_hold_gives_back_what_it_does_not_capture(held: int, captured: int, expired: bool) -> None:
    """Authorise, capture a part, refund it: every unit is where it was; nothing is captured beyond the hold (INV-8)."""
    world = new_world()
    issue(world, "b9", "u", 100, "o1")
    issue(world, "a2", "u", 600, "o2")
    issue(world, "hA", "u", 100, "o3")
    before = world.lots("u")
    receipt = world.do("u", Authorize(world.address["C"], held, 3_600))
    assert receipt.code == 0
    hold_id = next(digest for event in receipt.events for _, digest in event.hashes)
    if expired:
        world.run(at=world.now + 3_600)
        assert world.lots("u") == before
        assert world.code("C", Capture(hold_id, min(held, captured) or 1, "c1")) == "HOLD_NOT_OPEN"
        return
    code = world.code("C", Capture(hold_id, captured, "c1"))
    if captured > held:
        assert code == "CAPTURE_EXCEEDS_HOLD"
        assert world.code("C", Void(hold_id)) == "OK"
    elif not captured:
        assert code == "BAD_AMOUNT"
        assert world.code("C", Void(hold_id)) == "OK"
    else:
        assert code == "OK"
        assert world.code("C", Refund("c1", "f1", captured)) == "OK"
    assert world.lots("u") == before
    assert violations(world.memory, world.now) == []


def test_a_merchant_cannot_turn_points_into_a_claim() -> None:
    """D3: whoever is no tourist neither receives nor spends, and a shared key does not help."""
    world = new_world()
    issue(world, "hA", "u", 100, "o1")
    assert world.code("A", Issue("hA", world.address["B"], 5, "o2", "EARN", 5)) == "NOT_AUTHORISED"
    assert world.code("u", Transfer("hA", 5, world.address["C"])) == "NOT_AUTHORISED"
    assert world.code("B", Authorize(world.address["C"], 5, 3_600)) == "NOT_AUTHORISED"
    assert world.redeem("B", "C", "r1", 5) == "NOT_AUTHORISED"
    assert world.code("B", Exchange("hA", 5, "hB", 0)) == "NOT_AUTHORISED"
