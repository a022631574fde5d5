"""Every profile on the rules alone: nothing that a run sends is refused, and what its name promises happens."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.network import Network, bench_genesis, demo_keys, midnight_of
from benchmarks.network_clock import MovedClock
from benchmarks.report import Settings
from benchmarks.run import RunFailed, begin_of, measure, recipe_of
from benchmarks.workload import (
    BATCH_OPERATIONS,
    CLOSE_EVERY,
    NETTING_MERCHANTS,
    PROFILES,
    Cast,
    Profile,
    Scene,
    Writer,
    cast_of,
    scene_of,
    units_for,
)
from chainnode.devnet import create
from chainnode.devnet_layout import place_on
from chainnode.ledger_audit import SortedState
from chainnode.listening_ports import free_ports
from points.invariants import violations
from points.transition import BlockOutcome, apply_block, genesis_state
from primitives.codes import Code
from primitives.genesis import Genesis, chain_id, check_genesis
from primitives.kinds import BatchOperations, Issue, Redeem, WindowClose
from primitives.receipt import Event
from primitives.transaction import VALIDITY_SECONDS_MAX, Decoded, decode_transaction

SEED = bytes(range(32))
NOON = 1_800_000_000
TOURISTS = 12


class Town:
    """A state after the genesis of a profile, with everybody funded."""

    def __init__(self, profile: Profile, scene: Scene | None = None, count: int = 100) -> None:
        scene = scene or scene_of(profile)
        self.genesis: Genesis = bench_genesis(SEED, 4, TOURISTS, NOON, scene)
        self.cast: Cast = cast_of(chain_id(self.genesis), SEED, demo_keys(SEED), TOURISTS, scene)
        self.state = SortedState()
        self.state.apply(genesis_state(self.genesis))
        self.time_s, self.height = self.genesis.time, 0
        self.fund(count)

    def fund(self, count: int) -> None:
        writer = Writer(self.cast, "fund", self.time_s + 500, 7)
        outcome = self.block(self.time_s, list(writer.funding(units_for(count, TOURISTS))))
        assert all(receipt is not None and receipt.code == Code.OK for receipt in outcome.receipts)

    def block(self, time_s: int, raws: list[bytes]) -> BlockOutcome:
        self.height += 1
        decoded: list[Decoded] = [decode_transaction(raw) for raw in raws]
        outcome = apply_block(
            self.state, time_s=time_s, previous_s=self.time_s, height=self.height, chain_id=self.cast.chain_id,
            transactions=decoded, seen=lambda _: False,
        )  # fmt: skip
        self.time_s = time_s
        self.state.apply(outcome.changes)
        return outcome


def codes(outcome: BlockOutcome) -> set[int]:
    return {receipt.code for receipt in outcome.receipts if receipt is not None}


def kinds(events: tuple[Event, ...]) -> list[str]:
    return [event.kind for event in events]


@pytest.mark.parametrize("profile", PROFILES)
def test_nothing_of_a_run_is_refused(profile: Profile) -> None:
    scene = Scene(merchants=10) if scene_of(profile).merchants else scene_of(profile)
    town = Town(profile, scene, 300)
    assert not list(check_genesis(town.genesis))
    raws = list(Writer(town.cast, "run", town.time_s + 500, 3).transactions(profile, 300, operations=3))
    assert codes(town.block(town.time_s + 1, raws)) == {Code.OK}
    assert violations(town.state, town.time_s) == []


def test_points_expire_at_the_midnight_of_the_run_and_not_before() -> None:
    town = Town("expiry-midnight")
    midnight = midnight_of(town.genesis)
    assert town.genesis.test_clock and (midnight + 28_800) % 86_400 == 0
    before = town.block(midnight - 1, [])
    raws = list(Writer(town.cast, "late", midnight + 400, 4).transactions("expiry-midnight", 60))
    after = town.block(midnight, raws)
    assert "BucketExpired" not in kinds(before.events)
    expired = [event for event in after.events if event.kind == "BucketExpired"]
    assert len(expired) == len(town.cast.merchants) == 4
    assert sum(dict(event.fields)["units"] for event in expired) == 4 * 100 * TOURISTS
    assert codes(after) == {Code.OK}, "what is left is enough to go on"


def test_a_window_with_a_thousand_merchants_is_netted() -> None:
    town = Town("netting-1000", count=CLOSE_EVERY)
    assert len(town.cast.merchants) == NETTING_MERCHANTS
    writer = Writer(town.cast, "run", town.time_s + 500, 3)
    raws = list(writer.transactions("netting-1000", CLOSE_EVERY))
    outcome = town.block(town.time_s + 1, raws)
    assert codes(outcome) == {Code.OK}
    closing = outcome.receipts[-1]
    assert closing is not None and isinstance(decode_transaction(raws[-1]).transaction.envelope.body, WindowClose)
    first = closing.events[0]
    assert first.kind == "WindowClosed" and dict(first.fields)["participants"] > 800
    assert kinds(closing.events).count("InstructionCreated") > 800


def _writer(tourists: int = 8) -> Writer:
    town = Town("mixed")
    return Writer(cast_of(town.cast.chain_id, SEED, demo_keys(SEED), tourists), "t", 1_800_000_000, 1)


@pytest.mark.parametrize("operations", [1, 8, 256])
def test_an_envelope_holds_as_many_operations_as_were_asked_for(operations: int) -> None:
    for raw in _writer().transactions("batch", 3, operations=operations):
        body = decode_transaction(raw).transaction.envelope.body
        assert isinstance(body, BatchOperations) and len(body.operations) == operations
    assert BATCH_OPERATIONS == 100


def test_a_later_part_goes_on_where_the_first_one_ended() -> None:
    """Parts of a run are signed by several processes: with 50 tourists, not the first ones again and again."""
    parts = [list(_writer(50).transactions("uniform", 20, first)) for first in (0, 20, 40, 60, 80)]
    bodies = [decode_transaction(raw).transaction.envelope for part in parts for raw in part]
    issued = [envelope.body.to for envelope in bodies if isinstance(envelope.body, Issue)]
    paid = [envelope.sender for envelope in bodies if isinstance(envelope.body, Redeem)]
    assert len(set(issued)) == len(set(paid)) == 50


@pytest.mark.parametrize("seconds", [4.0, 60.0])
def test_the_midnight_lies_in_the_middle_of_the_load(tmp_path: Path, seconds: float) -> None:
    """Of a network that is made and not started; nothing that is signed for it lives longer than a node allows."""
    town = Town("expiry-midnight")
    devnet = create(tmp_path / "net", SEED, place_on(free_ports(16)), town.genesis)
    clock = MovedClock(devnet, town.genesis.time)
    network = Network(devnet, town.genesis, town.cast, (), owned=True, clock=clock)
    settings = Settings("expiry-midnight", "http", 10.0, seconds, 0.0, 0, 4, TOURISTS)
    recipe = recipe_of(network, settings, "expiry-midnight")
    begin, midnight = begin_of(network, settings), midnight_of(town.genesis)
    assert midnight - begin == seconds / 2 and recipe.begin_s == begin
    assert begin + seconds < recipe.valid_until <= begin + VALIDITY_SECONDS_MAX
    with pytest.raises(RunFailed, match="only in a network made for the run"):
        measure(replace(network, owned=False), settings, "expiry-midnight", lambda _what, _part: None)
