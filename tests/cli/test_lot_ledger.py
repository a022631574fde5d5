"""Lots kept from receipts are those of the state: of every account, and the supply of every class, at any second."""

from random import Random
from typing import Any

import pytest

from cli.lot_ledger import COUNTERS, LotLedger, opening_and_closing
from points import queries
from primitives.address import encode_address
from primitives.genesis import Parameters
from primitives.kinds import Authorize, Capture, Exchange, Issue, Refund, ReverseIssue, Transfer, Void
from primitives.kinds_assets import OfflineEscrow
from primitives.receipt import Receipt
from primitives.receipt_form import receipt_to_plain
from tests.points.council import Council
from tests.points.market import ADDRESS
from tests.points.test_errata import credit, debit, erratum, paid
from tests.properties.small_market import CLASSES, DAY, MIDNIGHT, START, issue
from tests.properties.world import World

MERCHANTS = ("A", "B", "C")
ESCROW_S = 6 * 3600


class Told(World):
    """Keeps every receipt with its block's time; nothing of what blocks do by themselves."""

    def __init__(self, **parameters: int) -> None:
        self.receipts: list[dict[str, Any]] = []
        self.issued, self.paid = [("A", "none")], [("A", "none")]
        self.held = [("A", bytes(32))]
        self.codes: list[Any] = []
        reserves = {"A": 4_000_000, "B": 4_000_000, "C": 400_000}
        super().__init__(START, reserves, ["u", "v"], CLASSES, Parameters(**parameters))  # type: ignore[arg-type]

    def run(self, *transactions: Any, at: int | None = None) -> list[Receipt]:
        receipts = super().run(*transactions, at=at)
        for receipt in receipts:
            plain = {**receipt_to_plain(receipt), "time_ms": self.now * 1000}
            self.receipts.append(plain)
            for event in plain["events"]:
                if event["kind"] == "Issued":
                    self.issued.append((self.name_text(event["merchant"]), event["order_id"]))
                elif event["kind"] == "Redeemed":
                    self.paid.append((self.name_text(event["merchant"]), event["order_id"]))
                elif event["kind"] == "HoldOpened":
                    self.held.append((self.name_text(event["merchant"]), bytes.fromhex(event["hold"])))
        return receipts

    def text(self, name: str) -> str:
        return encode_address(self.address[name])


def act(world: Told, random: Random, number: int) -> None:
    tourist, merchant = random.choice(["u", "v"]), random.choice(MERCHANTS)
    class_id, other = random.choice(sorted(CLASSES)), random.choice(sorted(CLASSES))
    value = random.randint(1, 400)
    match random.randint(0, 14):
        case 0 | 1:
            world.redeem(tourist, merchant, f"o{number}", value)
        case 2 | 3:
            body = Issue(class_id, world.address[tourist], value * 3, f"i{number}", "EARN", value)
            world.code(CLASSES[class_id][0], body)
        case 4 | 5:
            payee, order_id = random.choice(world.paid)
            world.code(payee, Refund(order_id, f"r{number}", random.choice([1, 7, 30, value])))
        case 6:
            world.code(tourist, Exchange(class_id, value, other, 0))
        case 7:
            issuer, order_id = random.choice(world.issued)
            world.code(issuer, ReverseIssue(order_id, value))
        case 8:
            world.code(tourist, Authorize(world.address[merchant], value, random.choice([60, DAY, 3 * DAY])))
        case 9:
            payee, hold = random.choice(world.held)
            world.code(payee, Capture(hold, random.randint(1, 100), f"c{number}"))
        case 10:
            payee, hold = random.choice(world.held)
            world.code(payee, Void(hold))
        case 11:
            to = "v" if tourist == "u" else "u"
            world.code(tourist, Transfer(class_id, value, world.address[to]))
        case 12:
            world.code(tourist, OfflineEscrow(world.address[merchant], value, ESCROW_S))
            code = world.offline_code(tourist, merchant, number, random.randint(1, value), 3600)
            world.codes.append((merchant, code))
        case 13 if world.codes:
            payee, body = random.choice(world.codes)
            world.code(payee, body)
        case _:
            world.run(at=world.now + random.choice([1, 60, 3600, DAY // 2, DAY, 3 * DAY]))


def ledger_of(world: Told, account: str | None) -> LotLedger:
    ledger = LotLedger(account)
    for receipt in world.receipts:
        if account is None or any(account in event.values() for event in receipt["events"]):
            ledger.read(receipt)
    ledger.pass_time(world.now)
    assert ledger.faults == []
    return ledger


def compare(world: Told) -> None:
    for name in ("u", "v"):
        told = queries.account(world.memory, world.now, world.address[name])["by_class"]
        expected = {c: {"avail": row["spendable"] + row["pending"], "held": row["held"]} for c, row in told.items()}
        ledger = ledger_of(world, world.text(name))
        found = ledger.balances(world.now)
        assert found == {c: row for c, row in expected.items() if any(row.values())}
        for class_id, opening, moved, closing in opening_and_closing(ledger.rows, world.now - DAY):
            assert opening + moved == closing == sum(found.get(class_id, {}).values())
    supply = queries.supply(world.memory, world.now)
    counters = ledger_of(world, None).counters
    for class_id, row in supply.items():
        assert counters.get(class_id, dict.fromkeys(COUNTERS, 0)) == {name: row[name] for name in COUNTERS}, class_id


@pytest.mark.parametrize("seed", range(16))
def test_accounts_and_supply_follow_from_receipts(seed: int) -> None:
    random = Random(seed)
    world = Told(kyc2_year=10**9)
    for number in range(160):
        act(world, random, number)
        if number % 20 == 19:
            compare(world)
    world.run(at=world.now + 40 * DAY)
    compare(world)


def reasons(world: Told, name: str) -> list[tuple[str, str, int, int]]:
    return [(row.reason, row.class_id, row.units, row.held) for row in ledger_of(world, world.text(name)).rows]


def test_expiry_is_told_at_its_midnight() -> None:
    world = Told()
    issue(world, "a1", "u", 100, "i1")
    assert world.redeem("u", "B", "o1", 30) == "OK"
    last = MIDNIGHT + DAY
    ledger = ledger_of(world, world.text("u"))
    ledger.pass_time(last - 1)
    assert ledger.balances(last - 1) == {"a1": {"avail": 70, "held": 0}}
    ledger.pass_time(last)
    assert ledger.balances(last) == {}
    assert (ledger.rows[-1].reason, ledger.rows[-1].units, ledger.rows[-1].time) == ("expired", -70, last)


def test_a_hold_past_the_expiry_of_its_points() -> None:
    """What is captured late is paid, what is released late expires at once (2.5)."""
    world = Told()
    issue(world, "a1", "u", 100, "i1")
    receipt = world.do("u", Authorize(world.address["B"], 80, 3 * DAY))
    hold = dict(receipt.events[0].hashes)["hold"]
    world.run(at=world.now + 2 * DAY)
    assert world.code("B", Capture(hold, 50, "c1")) == "OK"
    compare(world)
    assert reasons(world, "u") == [
        ("issued", "a1", 100, 0), ("held", "a1", 0, 80), ("expired", "a1", -20, 0), ("redeemed", "a1", -50, -50),
        ("released", "a1", 0, -30), ("expired", "a1", -30, 0),
    ]  # fmt: skip
    assert ledger_of(world, world.text("u")).rows[-1].time == world.now, "it expired when it came back, not before"


def test_a_hold_ends_by_itself_without_a_receipt() -> None:
    world = Told()
    issue(world, "hA", "u", 100, "i1")
    assert world.code("u", Authorize(world.address["B"], 80, 60)) == "OK"
    world.run(at=world.now + 60)
    compare(world)
    assert reasons(world, "u")[-1] == ("hold_expired", "hA", 0, -80)


def test_a_transfer_is_told_on_both_sides() -> None:
    world = Told()
    issue(world, "hA", "u", 100, "i1")
    assert world.code("u", Transfer("hA", 40, world.address["v"])) == "OK"
    compare(world)
    assert reasons(world, "u")[-1] == ("transferred_out", "hA", -40, 0)
    assert reasons(world, "v") == [("transferred_in", "hA", 40, 0)]


def test_a_missing_receipt_is_a_fault() -> None:
    world = Told()
    issue(world, "hA", "u", 100, "i1")
    assert world.redeem("u", "B", "o1", 30) == "OK"
    ledger = LotLedger(world.text("u"))
    ledger.read(world.receipts[1])
    assert ledger.faults == ["2.0: 30 units of hA taken from a lot with 0"]


def test_an_escrow_opened_again_lives_its_own_time() -> None:
    """One escrow per payer and merchant has one id; the first one's end is not the second one's."""
    world = Told()
    issue(world, "hA", "u", 100, "i1")
    assert world.code("u", OfflineEscrow(world.address["B"], 40, 3600)) == "OK"
    hold = world.held[-1][1]
    assert world.code("B", Void(hold)) == "OK"
    world.run(at=world.now + 1800)
    assert world.code("u", OfflineEscrow(world.address["B"], 30, 3600)) == "OK"
    assert world.held[-1][1] == hold
    world.run(at=world.now + 2400)
    compare(world)
    assert ledger_of(world, world.text("u")).balances(world.now) == {"hA": {"avail": 70, "held": 30}}


class Corrected(Council):
    """Keeps what blocks did by themselves, and their receipts."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        super().__init__(errata_cap=1_000)

    def block(self, *arguments: Any, **named: Any) -> list[Receipt | None]:
        receipts = super().block(*arguments, **named)
        assert self.last is not None
        own = Receipt(bytes(32), self.height, len(receipts), 0, "", None, None, self.last.events)
        told = [own, *(receipt for receipt in receipts if receipt is not None)]
        self.items += [{**receipt_to_plain(receipt), "time_ms": self.time * 1000} for receipt in told]
        return receipts


def test_an_erratum_is_a_movement_with_its_reason() -> None:
    """It is carried out by time: without the events of its block the history would not add up."""
    council = Corrected()
    of = paid(council)
    council.decide(erratum(of, credit(7), debit(300)), "first")
    ledger, everybody = LotLedger(encode_address(ADDRESS["u"])), LotLedger()
    for item in council.items:
        ledger.read(item)
        everybody.read(item)
    assert ledger.faults == everybody.faults == []
    held = queries.account(council.view, council.time, ADDRESS["u"])["by_class"]["hA"]
    assert ledger.balances(council.time) == {"hA": {"avail": held["spendable"], "held": 0}}
    assert [(row.reason, row.why, row.units) for row in ledger.rows][-3:] == [
        ("corrected", "WRONG_AMOUNT", 7), ("corrected", "WRONG_AMOUNT", -7), ("corrected", "WRONG_AMOUNT", -293),
    ]  # fmt: skip
    told = queries.supply(council.view, council.time, "hA")
    assert everybody.counters["hA"] == {name: told[name] for name in COUNTERS}
