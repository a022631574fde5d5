"""What the API says of campaigns: what is left, who had what, and what is unknown."""

from primitives.kinds_campaigns import BatchIssue, CampaignClose, CampaignCreate
from tests.chainnode.solo import ADDRESS, Town, call, text
from tests.points.market import DAY, START


def town_with(*campaigns: str) -> Town:
    town = Town()
    for name in campaigns:
        merchant = "B" if name.startswith("b") else "A"
        terms = CampaignCreate(name, f"h{merchant}", 100, 60, START, START + DAY, bytes([7]) * 32)
        town.run(town.sign(merchant, terms))
    return town


def test_a_campaign_tells_what_is_left() -> None:
    town = town_with("spring")
    town.run(town.sign("A", BatchIssue("spring", "hA", ((ADDRESS["u"], 40), (ADDRESS["v"], 10)), "gift-1")))
    status, plain = call(town, "GET", "/v1/campaigns/spring")
    assert (status, plain["merchant"], plain["class"], plain["root"]) == (200, text("A"), "hA", "07" * 32)
    assert (plain["budget"], plain["granted"], plain["left"], plain["accounts"]) == (100, 50, 50, 2)
    assert plain["state"] == "OPEN"
    grant = call(town, "GET", f"/v1/campaigns/spring/accounts/{text('u')}")[1]
    assert (grant["units"], grant["claimed"], grant["left"]) == (40, False, 20)
    assert call(town, "GET", f"/v1/campaigns/spring/accounts/{text('B')}")[1]["units"] == 0
    town.run(town.sign("A", CampaignClose("spring")))
    assert call(town, "GET", "/v1/campaigns/spring")[1]["state"] == "CLOSED"


def test_pages_of_campaigns_meet_without_gap_or_overlap() -> None:
    names = ["a", "a2", "b1", "b2", "c"]
    town = town_with(*names)
    found, after = [], ""
    while True:
        page = call(town, "GET", "/v1/campaigns", limit="2", **({"after": after} if after else {}))[1]
        found += [item["campaign"] for item in page["items"]]
        if page["next"] is None:
            break
        after = page["next"]
    assert found == names
    page = call(town, "GET", "/v1/campaigns", merchant=text("B"))[1]
    assert [item["campaign"] for item in page["items"]] == ["b1", "b2"]


def test_an_unknown_campaign_is_a_404_and_a_bad_id_a_400() -> None:
    town = town_with()
    for path in ("/v1/campaigns/none", f"/v1/campaigns/none/accounts/{text('u')}"):
        status, problem = call(town, "GET", path)
        assert (status, problem["name"]) == (404, "CAMPAIGN_UNKNOWN")
    assert call(town, "GET", "/v1/campaigns/a b")[0] == 400
    assert call(town, "GET", "/v1/campaigns", after="a b")[0] == 400
