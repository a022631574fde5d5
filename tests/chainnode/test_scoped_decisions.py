"""What strangers read of the committee's decisions on a node whose reads are scoped: no id, no account, no reserve."""

import asyncio

from cli.sandboxes import report_text
from primitives.kinds_errata import Credit, Errata, OrderOriginal
from primitives.kinds_governance import GovPropose
from tests.chainnode.scoped_town import scoped
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
