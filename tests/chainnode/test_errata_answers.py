"""What the API says of errata, offices and challenges, and what is unknown."""

from msgspec.structs import replace

from primitives.address import encode_address
from primitives.genesis import GenesisAccount
from primitives.kinds import AccountKey, Body
from primitives.kinds_assets import Anchor
from primitives.kinds_challenges import ChallengeApply, ChallengeAward, ChallengeOpen, ChallengeScore
from primitives.kinds_errata import Credit, Debt, Errata, OrderOriginal
from primitives.kinds_governance import GovPropose, GovVote, Payload
from primitives.transaction import Envelope, sign_transaction
from tests.chainnode.solo import ADDRESS, Town, call, make_genesis, text
from tests.points.market import DAY, START, address, key_of

MIDNIGHT = (START + 28_800) // DAY * DAY - 28_800


class Governed(Town):
    """A committee of one, m1."""

    def __init__(self) -> None:
        plain = make_genesis()
        member = GenesisAccount((AccountKey(key_of("m1").public_key),), "committee", weight=1)
        super().__init__(replace(plain, accounts=(*plain.accounts, member)))

    def act(self, sender: str, body: Body) -> bytes:
        """Commit it in a block of its own; its id."""
        self._nonce += 1
        until = self.node.now_ms() // 1000 + 300
        envelope = Envelope(self.chain_id, address(sender), self._nonce.to_bytes(16, "big"), until, body)
        return self.run(sign_transaction(envelope, [key_of(sender)]))

    def decide(self, name: str, payload: Payload) -> None:
        """Propose, vote, wait."""
        self.act("m1", GovPropose(name, payload, bytes(32)))
        self.act("m1", GovVote(name, "YES"))
        self.wait(DAY)

    def wait(self, seconds: int) -> None:
        self.node.set_clock(self.node.now_ms() + seconds * 1000)


def corrected(count: int) -> tuple[Governed, list[str]]:
    """So many orders of A with one erratum each; their transactions in order."""
    town = Governed()
    found = []
    for number in range(count):
        tx = town.run(town.issue(f"o{number}", 100))
        entries = (Credit(ADDRESS["v"], "hA", 7, MIDNIGHT + 30 * DAY), Debt(ADDRESS["A"], ADDRESS["B"], 5))
        of = OrderOriginal(ADDRESS["A"], f"o{number}", tx)
        town.decide(f"e{number}", Errata(1, of, entries, "WRONG_AMOUNT", bytes([9]) * 32))
        found.append(tx.hex())
    return town, sorted(found)


def test_an_erratum_tells_what_was_done() -> None:
    town, (tx,) = corrected(1)
    status, plain = call(town, "GET", f"/v1/errata/{tx}")
    assert (status, plain["tx"], plain["number"], plain["reason"]) == (200, tx, 1, "WRONG_AMOUNT")
    assert (plain["value"], plain["evidence_hash"]) == (70_005, "09" * 32)
    assert plain["units"] == [{"class": "hA", "credited": 7, "debited": 0}]
    assert plain["debts"] == [{"debtor": text("A"), "creditor": text("B"), "value": 5}]
    assert plain["by"] == encode_address(address("m1"))
    status, problem = call(town, "GET", "/v1/errata/" + "00" * 32)
    assert (status, problem["name"]) == (404, "NOT_FOUND")
    assert call(town, "GET", "/v1/errata/none")[0] == 400


def test_pages_of_errata_meet_without_gap_or_overlap() -> None:
    town, expected = corrected(3)
    found, after = [], ""
    while True:
        page = call(town, "GET", "/v1/errata", limit="2", **({"after": after} if after else {}))[1]
        found += [item["tx"] for item in page["items"]]
        if page["next"] is None:
            break
        after = page["next"]
    assert found == expected
    assert call(town, "GET", "/v1/errata", after="none")[0] == 400


def test_offices_are_listed() -> None:
    items = call(Town(), "GET", "/v1/offices")[1]["items"]
    assert [item["office"] for item in items] == ["attester", "custodian", "operator", "regulator"]
    assert items[2] == {"office": "operator", "account": text("operator"), "since": START}


def test_a_challenge_tells_its_stages_scores_and_milestones() -> None:
    town = Governed()
    town.decide("o", ChallengeOpen("silver", bytes(32), 2, 2, 100, 2))
    town.act("A", ChallengeApply("silver", bytes([1]) * 32))
    plain = call(town, "GET", "/v1/challenges/silver")[1]
    assert (plain["stage"], plain["applicants"], plain["awarded"], plain["reached"]) == ("APPLYING", 1, None, [])
    town.wait(2 * DAY)
    town.act("m1", ChallengeScore("silver", ADDRESS["A"], 80, bytes(32)))
    town.wait(2 * DAY)
    town.act("A", Anchor("challenge/silver", bytes([2]) * 32))
    town.decide("a", ChallengeAward("silver", ADDRESS["A"]))
    town.act("A", Anchor("challenge/silver", bytes([3]) * 32))
    town.act("B", Anchor("challenge/silver", bytes([4]) * 32))
    plain = call(town, "GET", "/v1/challenges/silver")[1]
    assert (plain["stage"], plain["awarded"]) == ("AWARDED", text("A"))
    (row,) = plain["items"]
    assert (row["merchant"], row["points"], row["weight"], row["enough"]) == (text("A"), 80, 1, True)
    assert row["scores"][0]["points"] == 80
    assert [milestone["hash"] for milestone in plain["reached"]] == ["03" * 32], "since the award, by who got it"
    assert [item["challenge"] for item in call(town, "GET", "/v1/challenges")[1]["items"]] == ["silver"]


def test_an_unknown_challenge_is_a_404_and_a_bad_id_a_400() -> None:
    town = Town()
    status, problem = call(town, "GET", "/v1/challenges/none")
    assert (status, problem["name"]) == (404, "CHALLENGE_UNKNOWN")
    assert call(town, "GET", "/v1/challenges/a b")[0] == 400
    assert call(town, "GET", "/v1/challenges") == (200, {"items": []})
