"""The guard rails of 2.1, over all kinds: points are not bought, not cashed out, do not grow, have no market or ladder.

Every transaction of every scenario file and anything decodable from anybody is watched; a kind that is added later is
watched without a line here.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect

from chainnode.play import Player
from chainnode.play_engine import Outcome
from chainnode.play_identities import single_validator
from chainnode.play_instant import InstantEngine
from chainnode.play_scenario import load_scenario
from chainnode.record_view import open_state
from points.invariants import violations
from points.state import AccountKind, Role
from points.told import events_of
from points.transition import RULES
from primitives.codes import Code
from primitives.kinds import (
    Authorize,
    BatchOperations,
    Body,
    Exchange,
    Issue,
    IssueReason,
    LegConfirm,
    LegDispute,
    LegPaid,
    Operation,
    Redeem,
    Refund,
    Transfer,
)
from primitives.kinds_assets import AssetOffer, AssetRegister, AssetReturn, AssetSwap, OfflineEscrow
from primitives.receipt import Receipt
from tests.properties.bans import broken_bans, purses, worth
from tests.properties.test_anything_decodable import DAY, NAMES, new_world, value_of
from tests.properties.world import World

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "scenarios").glob("*.json"))
BODIES: list[Any] = [*get_args(Operation), BatchOperations]


def names_of(of: Any, seen: set[type] | None = None) -> Iterator[tuple[str, str]]:
    """(kind, name) of every field at any depth of a type."""
    seen = set() if seen is None else seen
    info = inspect.type_info(of)
    stack = [info]
    while stack:
        part = stack.pop()
        if isinstance(part, inspect.Metadata):
            stack.append(part.type)
        elif isinstance(part, inspect.StructType) and part.cls not in seen:
            seen.add(part.cls)
            for field in part.fields:
                yield part.cls.__name__, field.encode_name
                stack.append(field.type)
        elif isinstance(part, inspect.VarTupleType):
            stack.append(part.item_type)
        elif isinstance(part, inspect.TupleType):
            stack.extend(part.item_types)
        elif isinstance(part, inspect.UnionType):
            stack.extend(part.types)


def test_no_reason_of_an_issue_is_a_purchase() -> None:
    assert set(get_args(IssueReason)) == {"EARN", "BONUS", "SERVICE_RECOVERY", "CAMPAIGN"}


def test_only_an_asset_has_a_price() -> None:
    """A price of points would be a sale of points."""
    priced = {kind for body in BODIES for kind, name in names_of(body) if name == "price"}
    assert priced == {AssetOffer.__name__, AssetSwap.__name__}


@pytest.mark.parametrize(
    "word", ["purchase", "payout", "cash_out", "withdraw", "interest", "yield", "dividend", "release", "referrer",
             "referral", "upline", "inviter", "commission", "order_book", "bid", "ask", "rate", "bank_account"],
)  # fmt: skip
def test_no_kind_has_a_field_for_it(word: str) -> None:
    """2.1: no purchase, no money out, no interest or daily release, no levels, no trading."""
    fields = [field for body in BODIES for field in names_of(body)]
    assert not [(kind, name) for kind, name in fields if word in name.split("_") or word == name]


@pytest.mark.parametrize("kind", [Redeem, Authorize, Exchange, Transfer, AssetSwap, OfflineEscrow])
def test_only_tourists_spend(kind: type) -> None:
    """D3: a merchant or an office that could pay with points would turn them into a claim on the issuer's cash."""
    assert (RULES[kind].senders, RULES[kind].bits) == ((AccountKind.TOURIST,), 0)


@pytest.mark.parametrize("kind", [LegPaid, LegConfirm, LegDispute, AssetOffer, Issue])
def test_no_tourist_grants_sells_or_settles(kind: type) -> None:
    assert AccountKind.TOURIST not in RULES[kind].senders


@pytest.mark.parametrize("kind", [str(body.__struct_config__.tag) for body in BODIES])
def test_every_kind_is_watched_in_a_scenario(kind: str) -> None:
    """Otherwise the bans would hold for it unseen."""
    assert any(f'"{kind}": {{' in path.read_text(encoding="utf-8") for path in FILES)


class Watched(InstantEngine):
    """The instant engine, with the bans checked around every block."""

    def submit_block(self, transactions: Sequence[bytes]) -> list[Outcome]:
        before = self._purses()
        outcomes = super().submit_block(transactions)
        self._check(before, [outcome.receipt for outcome in outcomes if outcome.receipt is not None])
        return outcomes

    def set_time(self, seconds: int) -> None:
        """Time alone gives nobody anything but what the committee decided: an empty block has events, no receipts."""
        before = self._purses()
        super().set_time(seconds)
        self._check(before, [])

    def _now(self) -> int:
        header = self.chain.header(self.height)
        assert header is not None
        return header.time_ms // 1000

    def _purses(self) -> Any:
        with open_state(self.chain) as state:
            return purses(state.view, self._now())

    def _check(self, before: Any, receipts: Sequence[Receipt]) -> None:
        with open_state(self.chain) as state:
            events = tuple(events_of(state.view, self.height))
            told = [*receipts, Receipt(bytes(32), self.height, 0, Code.OK, "", None, None, events)]
            assert list(broken_bans(before, purses(state.view, self._now()), told, state.view)) == []


def open_watched(build: Any) -> Watched:
    key, members = single_validator()
    return Watched(build(members), key)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_scenario_breaks_a_ban(path: Path) -> None:
    player = Player(load_scenario(path.stem, path.read_bytes()), open_watched, lambda line: None)
    fault = player.run()
    assert fault is None, f"{path.name}: {fault}"


def do(world: World, sender: str, body: Body, signers: Sequence[str] = ()) -> Receipt:
    """One transaction, watched."""
    before = purses(world.memory, world.now)
    receipt = world.do(sender, body, signers)
    after = purses(world.memory, world.now)
    assert list(broken_bans(before, after, [receipt], world.memory)) == []
    return receipt


def entitled(kind: type) -> str:
    """Somebody who may send the kind."""
    rule = RULES.get(kind)
    if rule is None or not rule.bits:
        return "u" if rule is None or AccountKind.TOURIST in rule.senders else "A"
    offices = {Role.OPERATOR: "op", Role.REGULATOR: "reg", Role.CUSTODIAN: "bank", Role.ATTESTER: "kyc"}
    return next((name for role, name in offices.items() if rule.bits & role), "op")


@given(st.data())
def test_nothing_decodable_breaks_a_ban(data: st.DataObject) -> None:
    world, made = new_world(), []
    kinds = [inspect.type_info(kind) for kind in BODIES[:-1]]
    for _ in range(data.draw(st.integers(1, 6))):
        kind = data.draw(st.sampled_from(kinds))
        body = data.draw(value_of(kind, world, made))
        receipt = do(world, data.draw(st.sampled_from([*NAMES, *[entitled(type(body))] * 24])), body)
        made += [digest for event in receipt.events for _, digest in event.hashes]
        before = purses(world.memory, world.now)
        world.run(at=world.now + data.draw(st.sampled_from([1, 60, DAY])))
        assert list(broken_bans(before, purses(world.memory, world.now), [], world.memory)) == []


@given(st.data())
def test_a_life_with_assets_and_escrows_breaks_no_ban(data: st.DataObject) -> None:
    """Mostly valid steps: grants, offers, sales, returns, escrows, codes, refunds, and time."""
    world = new_world()
    for shop, asset in (("A", "x"), ("B", "y")):
        assert do(world, shop, AssetRegister(asset, bytes(32), "ticket")).code == Code.OK
        assert do(world, shop, AssetOffer(asset, 7, asset)).code == Code.OK
    escrows = [("u", "A")]
    assert do(world, "u", OfflineEscrow(world.address["A"], 50, 3600)).code == Code.OK
    for number in range(data.draw(st.integers(4, 24))):
        who, shop, asset = data.draw(st.sampled_from([("u", "A", "x"), ("v", "B", "y"), ("u", "B", "y")]))
        value = data.draw(st.integers(1, 40))
        match data.draw(st.sampled_from("iossrbecctt")):
            case "i":
                class_id = {"A": "hA", "B": "bX"}[shop]
                do(world, shop, Issue(class_id, world.address[who], value * 100, f"i{number}", "EARN", 0))
            case "o":
                do(world, shop, AssetOffer(asset, data.draw(st.sampled_from([value, value, None])), f"n{number % 6}"))
            case "s":
                _swap(world, who, asset, data.draw(st.sampled_from([None, None, "hA", "bX"])))
            case "r":
                do(world, who, AssetReturn(asset))
            case "b":
                order = data.draw(st.sampled_from([asset, f"n{number % 6}", *[f"c{seq}" for seq in range(number)]]))
                do(world, shop, Refund(order, f"f{number}", value))
            case "e":
                do(world, who, OfflineEscrow(world.address[shop], value, 3600))
                escrows.append((who, shop))
            case "c":
                payer, payee = data.draw(st.sampled_from(escrows))
                do(world, payee, world.offline_code(payer, payee, number, value, 600))
            case _:
                before = purses(world.memory, world.now)
                world.run(at=world.now + data.draw(st.sampled_from([1, 600, 3600, DAY])))
                assert list(broken_bans(before, purses(world.memory, world.now), [], world.memory)) == []
        assert violations(world.memory, world.now) == []


def _swap(world: World, who: str, asset: str, class_id: str | None) -> None:
    """What the buyer gives is the price, and less than one fen beyond it."""
    found = world.memory.get(b"e" + asset.encode())
    price = found.price if found is not None and found.price else 1
    before = worth(purses(world.memory, world.now).get(world.address[who], {}), world.memory)
    receipt = do(world, who, AssetSwap(asset, price, class_id))
    spent = before - worth(purses(world.memory, world.now).get(world.address[who], {}), world.memory)
    if receipt.code == Code.OK:
        assert price * 10_000 <= spent < (price + 1) * 10_000
        assert world.memory.get(b"e" + asset.encode()).owner == world.address[who]
    else:
        assert spent == 0


def test_the_watch_sees_what_it_should() -> None:
    """A gift out of nothing, a grown purse, a merchant that holds, a holder that is owed money: each is a sentence."""
    world = new_world()
    u, a = world.address["u"], world.address["A"]
    before = purses(world.memory, world.now)
    richer = {**before, u: {**before[u], "hA": before[u]["hA"] + 1}}
    assert len(list(broken_bans(before, richer, [], world.memory))) == 2
    assert len(list(broken_bans(before, {**before, a: {"hA": 1}}, [], world.memory))) == 3
    record = next(iter(world.memory.range(b"L", b"M")))[1]
    world.memory.apply({b"Y" + (1).to_bytes(8, "big") + a + u: record})
    assert list(broken_bans(before, before, [], world.memory)) == [f"Y: {u.hex()} is a party and no merchant"]
