"""What a node whose reads are scoped tells of decisions and of time: no id, no reserve, nobody else's payments."""

import asyncio

from chainnode.block_events import concerning
from cli.sandboxes import report_text
from primitives.kinds import Authorize
from primitives.kinds_errata import Credit, Errata, OrderOriginal
from primitives.kinds_governance import GovPropose
from primitives.receipt import Event
from tests.chainnode.scoped_town import Asker, lively, scoped
from tests.chainnode.solo import ADDRESS, text
from tests.chainnode.test_errata_answers import MIDNIGHT, Governed
from tests.chainnode.test_sandbox_answers import town_with_a_sandbox
from tests.points.market import DAY


def test_the_proposal_of_an_erratum_opens_no_payment_to_strangers() -> None:
    """Its id opens the receipt, and that names the tourist; who decides on it, and who reads all, see both."""
    town = Governed()
    tx = town.run(town.issue("o1", 100))
    entries = (Credit(ADDRESS["v"], "hA", 7, MIDNIGHT + 30 * DAY),)
    payload = Errata(1, OrderOriginal(ADDRESS["A"], "o1", tx), entries, "WRONG_AMOUNT", bytes([9]) * 32)
    town.act("m1", GovPropose("e", payload, bytes(32)))

    async def scenario() -> None:
        async with scoped(town) as ask:
            for path in ("/v1/proposals", "/v1/proposals/e"):
                for who in ("", "u", "A", "operator"):
                    status, plain = await ask(path, who)
                    assert status == 200 and "WRONG_AMOUNT" in str(plain) and "09" * 32 in str(plain)
                    assert not any(secret in str(plain) for secret in (tx.hex(), text("v"), "o1"))
                for who in ("m1", "regulator"):
                    assert tx.hex() in str((await ask(path, who))[1]) and text("v") in str((await ask(path, who))[1])

    asyncio.run(scenario())


def test_a_trial_is_public_and_what_its_merchant_keeps_beside_it_is_not() -> None:
    town = town_with_a_sandbox()

    async def scenario() -> None:
        async with scoped(town) as ask:
            for who, sees in (("", False), ("u", False), ("B", False), ("A", True), ("regulator", True)):
                plain = (await ask("/v1/sandboxes/lab", who))[1]
                rows = (await ask("/v1/sandboxes", who))[1]["items"]
                assert rows == [plain] and (plain["merchant_reserve"] is not None) is sees
                assert plain["covered"] is True and plain["max_value"] == 1000
                assert ("merchant's reserve" in report_text(plain, str)) is sees

    asyncio.run(scenario())


def test_a_hold_that_ends_at_the_daily_cut_shows_its_payer_no_payment_between_merchants() -> None:
    """One block tells of everybody; a tourist needs but a hold of a few fen to stand in it."""
    town = lively()
    town.run(town.sign("u", Authorize(ADDRESS["B"], 50, 60)))
    town.node.set_clock(town.node.now_ms() + DAY * 1000)

    async def newest(ask: Asker, who: str) -> list[str]:
        item = (await ask(f"/v1/accounts/{text(who)}/history?limit=1", who))[1]["items"][0]
        return [event["kind"] for event in item["events"]]

    async def scenario() -> None:
        async with scoped(town) as ask:
            assert await newest(ask, "u") == ["HoldExpired"]
            assert await newest(ask, "A") == ["InstructionCreated", "InstructionCreated"]
            assert await newest(ask, "B") == ["HoldExpired", "InstructionCreated"]

    asyncio.run(scenario())


def test_lots_stay_behind_the_event_that_they_belong_to() -> None:
    mine, other = (Event("ErrataDebited", (), (("from", bytes([n]) * 20),)) for n in (1, 2))
    lot, cut = Event("UnitsTaken", (("units", 5),)), Event("WindowClosed", (("window", 1),))
    events = (lot, mine, lot, lot, other, lot, cut, mine, cut, lot)
    assert concerning(events, frozenset((bytes([1]) * 20,))) == (mine, lot, lot, mine)
    assert concerning(events, frozenset()) == ()
