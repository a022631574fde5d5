"""What the API says of sandboxes and of the emergency pause."""

from msgspec.structs import replace

from primitives.genesis import GenesisAccount
from primitives.kinds import AccountKey
from primitives.kinds_governance import GovPropose, GovVote
from primitives.kinds_sandbox import EmergencyPause
from tests.chainnode.solo import Town, call, make_genesis, text
from tests.points.market import DAY, START, class_of, key_of
from tests.points.trial import opening


def town_with_a_sandbox() -> Town:
    """Opened by a committee of one, which is the attester's key here."""
    genesis = make_genesis()
    others = tuple(account for account in genesis.accounts if account.role != "attester")
    member = GenesisAccount((AccountKey(key_of("attester").public_key),), "committee", weight=1)
    town = Town(replace(genesis, accounts=(*others, member), test_clock=True))
    town.run(town.sign("attester", GovPropose("p", opening(), bytes(32))))
    town.run(town.sign("attester", GovVote("p", "YES")))
    town.node.set_clock((START + DAY) * 1000)
    town.run(town.sign("A", class_of("sA", sandbox="lab")))
    return town


def test_a_sandbox_tells_its_caps_and_what_it_has_come_to() -> None:
    town = town_with_a_sandbox()
    status, plain = call(town, "GET", "/v1/sandboxes/lab")
    assert (status, plain["state"], plain["merchant"], plain["merchants"]) == (200, "RUNNING", text("A"), [text("B")])
    assert (plain["accounts"], plain["max_accounts"], plain["max_value"], plain["value"]) == (1, 2, 1000, 0)
    assert list(plain["classes"]) == ["sA"]
    assert [row["sandbox"] for row in call(town, "GET", "/v1/sandboxes")[1]["items"]] == ["lab"]
    assert call(town, "GET", f"/v1/sandboxes/lab/accounts/{text('u')}")[1]["enrolled"] is True
    assert call(town, "GET", f"/v1/sandboxes/lab/accounts/{text('v')}")[1]["enrolled"] is False
    assert call(town, "GET", "/v1/classes/sA")[1]["sandbox"] == "lab"
    assert call(town, "GET", f"/v1/merchants/{text('A')}/exposure")[1]["set_apart"] == 400


def test_an_unknown_sandbox_is_a_404_and_a_bad_id_a_400() -> None:
    town = Town()
    for path in ("/v1/sandboxes/none", f"/v1/sandboxes/none/accounts/{text('u')}"):
        status, problem = call(town, "GET", path)
        assert (status, problem["name"]) == (404, "SANDBOX_UNKNOWN")
    assert call(town, "GET", "/v1/sandboxes/a b")[0] == 400


def test_a_pause_tells_its_end() -> None:
    town = Town()
    assert call(town, "GET", "/v1/pause")[1]["paused"] is False
    until = town.node.now_ms() // 1000 + 500
    town.run(town.sign("regulator", EmergencyPause(until, b"")))
    plain = call(town, "GET", "/v1/pause")[1]
    assert (plain["paused"], plain["until"], plain["ratified"]) == (True, until, False)
    assert plain["regulator"] == text("regulator")
