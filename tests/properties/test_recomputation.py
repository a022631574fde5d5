"""The events that a network exports are complete: its books follow from them alone (2.11, INV-1, INV-4 to INV-6).

The second program (recomputation.py) imports nothing of this project; the first part of this file only runs a market.
"""

import ast
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest

from points import queries
from points.errata_records import Erratum
from points.keys import erratum_key, order_key
from points.transition import apply_block
from primitives.address import FUND_ADDRESS, decode_address, encode_address
from primitives.genesis import Parameters
from primitives.kinds import (
    Authorize,
    Capture,
    Exchange,
    Issue,
    LegConfirm,
    LegPaid,
    Refund,
    ReserveAttest,
    ReverseIssue,
    WindowClose,
)
from primitives.kinds_errata import Credit, Debit, Debt, Errata, OrderOriginal
from primitives.kinds_governance import GovPropose, GovVote
from primitives.receipt_form import event_to_plain
from tests.properties.recomputation import Recomputation
from tests.properties.small_market import CLASSES, DAY, START
from tests.properties.world import World

MERCHANTS = ("A", "B", "C", "D")
FUND = encode_address(FUND_ADDRESS)


class Exporting(World):
    """Every event that it ever told, in order: of the block, then of its receipts."""

    def __init__(self, parameters: Parameters) -> None:
        self.export: list[dict[str, Any]] = []
        self.issued, self.paid, self.held = [("A", "none")], [("A", "none")], [("A", bytes(32))]
        reserves = {"A": 4_000_000, "B": 4_000_000, "C": 400_000, "D": 0}
        super().__init__(START, reserves, ["u", "v"], CLASSES, parameters, ["m"])  # type: ignore[arg-type]

    def run(self, *transactions: Any, at: int | None = None) -> Any:
        time, previous = self.now if at is None else at, self.now
        told = apply_block(
            self.memory, time_s=time, previous_s=previous, height=self.height + 1, chain_id=self.chain_id,
            transactions=transactions, seen=lambda _: False,
        )  # fmt: skip
        receipts = super().run(*transactions, at=at)
        for event in (*told.events, *(event for receipt in receipts for event in receipt.events)):
            plain = event_to_plain(event)
            self.export.append(plain)
            if event.kind in ("Issued", "Redeemed"):
                self.known(event.kind).append((self.name_text(plain["merchant"]), plain["order_id"]))
            if event.kind == "HoldOpened":
                self.held.append((self.name_text(plain["merchant"]), bytes.fromhex(plain["hold"])))
        return receipts

    def known(self, kind: str) -> list[tuple[str, str]]:
        """(merchant, order id) of what was issued, or paid."""
        return self.issued if kind == "Issued" else self.paid


def act(world: Exporting, random: Random, number: int) -> None:
    """One operation of any kind; many are refused, which exports nothing."""
    tourist, merchant = random.choice(["u", "v"]), random.choice(MERCHANTS)
    class_id, other = random.choice(sorted(CLASSES)), random.choice(sorted(CLASSES))
    value = random.randint(1, 400)
    match random.randint(0, 12):
        case 12:
            correct(world, random, number)
        case 0 | 1 | 2:
            world.redeem(tourist, merchant, f"o{number}", value)
        case 3 | 4:
            body = Issue(class_id, world.address[tourist], value * 3, f"i{number}", "EARN", value)
            world.code(CLASSES[class_id][0], body)
        case 5 | 6:
            payee, order_id = random.choice(world.paid)
            world.code(payee, Refund(order_id, f"r{number}", random.choice([1, 7, 30, value])))
        case 7:
            world.code(tourist, Exchange(class_id, value, other, 0))
        case 8:
            issuer, order_id = random.choice(world.issued)
            world.code(issuer, ReverseIssue(order_id, value))
        case 9:
            world.code(tourist, Authorize(world.address[merchant], value, random.choice([60, 3 * DAY])))
        case 10:
            payee, hold = random.choice(world.held)
            world.code(payee, Capture(hold, random.randint(1, 100), f"c{number}"))
        case _:
            pass_time(world, random)


def correct(world: Exporting, random: Random, number: int) -> None:
    """An erratum of an order, carried out a day later as far as it still can be then."""
    merchant, order_id = random.choice(world.issued + world.paid)
    order = world.memory.get(order_key(world.address[merchant], order_id)) if merchant in MERCHANTS else None
    if order is None:
        return
    to, class_id = world.address[random.choice(["u", "v"])], random.choice(sorted(CLASSES))
    value = random.randint(1, 90)
    debtor, creditor = random.sample([*MERCHANTS, "FUND"], 2)
    entries = (
        Credit(to, class_id, value, (world.now + 28_800) // DAY * DAY - 28_800 + 2 * DAY),
        Debit(to, random.choice([class_id, "hA"]), value),
        Debt(world.address[debtor], world.address[creditor], value * 777),
    )
    chosen = tuple(random.sample(entries, random.randint(1, 3)))
    done: Erratum | None = world.memory.get(erratum_key(order.tx))
    of = OrderOriginal(world.address[merchant], order_id, order.tx)
    body = Errata(1 if done is None else done.number + 1, of, chosen, "OTHER", bytes(32))
    world.code("m", GovPropose(f"e{number}", body, bytes(32)))
    world.code("m", GovVote(f"e{number}", "YES"))
    world.run(at=world.now + DAY)


def pass_time(world: Exporting, random: Random) -> None:
    """Close, pay some of what is due, or let hours or days go by; a reserve may be gone when it is needed."""
    match random.randint(0, 5):
        case 0:
            world.code("op", WindowClose())
        case 1:
            body = ReserveAttest(world.address["A"], random.choice([0, 30, 4_000_000]), world.now, bytes(32))
            world.code("bank", body, ("bank", "A"))
        case 2 | 3:
            for number in range(1, world.memory.get(b"w").window):
                settle_some(world, random, number)
        case _:
            world.run(at=world.now + random.choice([60, DAY // 2, DAY, 3 * DAY]))


def settle_some(world: Exporting, random: Random, number: int) -> None:
    for name in queries.window(world.memory, world.now, number)["instructions"]:
        payer, payee = ("bank" if side == FUND else world.name_text(side) for side in name.split("->"))
        if random.random() < 0.7:
            world.code(payer, LegPaid(number, name, bytes(32)))
        if random.random() < 0.7:
            world.code(payee, LegConfirm(number, name))


@pytest.mark.parametrize("seed", range(27))
def test_the_books_follow_from_the_events(seed: int) -> None:
    random = Random(seed)
    parameters = Parameters(fee_bps=(0, 50, 700)[seed % 3], waterfall=seed // 3 % 3, kyc2_year=10**9)
    world = Exporting(parameters)
    for n, class_id in enumerate(sorted(CLASSES)):
        body = Issue(class_id, world.address["uv"[n % 2]], 2_000, f"f{n}", "EARN", 0)
        assert world.code(CLASSES[class_id][0], body) == "OK"
    for number in range(150):
        act(world, random, number)
    world.code("op", WindowClose())
    published = {plain["class"]: plain for plain in queries.classes(world.memory, world.now)}
    again = Recomputation(published, FUND, decode_address)
    for event in world.export:
        again.read(event)
    compare(world, again)


def compare(world: Exporting, again: Recomputation) -> None:
    again.check_payments()
    for class_id, told in queries.supply(world.memory, world.now).items():
        assert {name: told[name] for name in again.supply[class_id]} == again.supply[class_id], class_id
    for name in MERCHANTS:
        who = encode_address(world.address[name])
        assert (again.outstanding(who), again.payable(who)) == world.books(name), name
    for number in range(1, world.memory.get(b"w").window):
        told = queries.window(world.memory, world.now, number)
        assert {who: fen for who, fen in told["fen"].items() if fen} == again.fen[number]
        carries = {who: carry for who, carry in told["carry"].items() if carry}
        assert carries == {who: carry * 10_000 for who, carry in again.carries[number].items()}
        assert told["legs"] == {f"{payer}->{payee}": state for (payer, payee), state in again.legs[number].items()}
        owed = {f"{debtor}->{creditor}": value for (debtor, creditor), value in again.owed[number].items() if value}
        assert owed == {pair: v for pair, v in queries.obligations(world.memory, world.now, number).items() if v}


def test_the_second_program_imports_nothing_of_this_project() -> None:
    tree = ast.parse((Path(__file__).parent / "recomputation.py").read_text(encoding="utf-8"))
    names = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names] if isinstance(node, ast.Import)
            else [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        )
    }  # fmt: skip
    assert names and names <= set(sys.stdlib_module_names)
