"""What the API and its page say of risk alerts, of the trial's figures, and of the network itself."""

import asyncio

from primitives.kinds import Issue
from primitives.kinds_risk import AlertAck
from tests.chainnode.solo import ADDRESS, Town, ask, call, text
from tests.points.market import START


def alarmed() -> Town:
    """A has issued beyond 80 % of its cap."""
    town = Town()
    town.run(town.sign("A", Issue("hA", ADDRESS["u"], 900_000, "o1", "EARN", 0)))
    return town


def test_the_inbox_from_the_alert_to_its_acknowledgement() -> None:
    town = alarmed()
    status, plain = call(town, "GET", "/v1/alerts")
    (item,) = plain["items"]
    assert (status, plain["total"], item["rule"], item["subject"], item["other"]) == (
        200, 1, "NEAR_CAP", text("A"), None,
    )  # fmt: skip
    assert (item["state"], item["unit"], item["value"], item["limit"]) == ("OPEN", "fen", 900_000, 800_000)
    town.run(town.sign("regulator", AlertAck("NEAR_CAP", ADDRESS["A"], bytes(32))))
    assert call(town, "GET", "/v1/alerts", state="OPEN") == (200, {"items": [], "total": 0})
    assert call(town, "GET", "/v1/alerts", rule="SPIKE")[1]["items"] == []
    one = call(town, "GET", f"/v1/alerts/NEAR_CAP/{text('A')}")[1]
    assert (one["state"], one["by"], one["note_hash"]) == ("ACKED", text("regulator"), "00" * 32)


def test_unknown_alerts_and_rules() -> None:
    town = alarmed()
    status, plain = call(town, "GET", f"/v1/alerts/NEAR_CAP/{text('B')}")
    assert (status, plain["name"]) == (404, "ALERT_UNKNOWN")
    assert call(town, "GET", f"/v1/alerts/NOTHING/{text('A')}")[0] == 404
    assert call(town, "GET", f"/v1/alerts/NEAR_CAP/{text('A')}", other=text("B"))[0] == 404
    assert call(town, "GET", "/v1/alerts/NEAR_CAP/nobody")[0] == 400


def test_the_page_of_alerts_in_two_languages() -> None:
    town = alarmed()
    pages = {lang: asyncio.run(ask(town, "GET", "/alerts", lang=lang)).body.decode() for lang in ("zh", "en")}
    assert "接近上限" in pages["zh"] and "待处理" in pages["zh"]
    assert "Near cap" in pages["en"] and "9,000.00" in pages["en"]
    assert f'href="/merchants/{text("A")}' in pages["en"]
    assert "none" in asyncio.run(ask(Town(), "GET", "/alerts", lang="en")).body.decode()


def test_the_report_adds_up() -> None:
    town = Town()
    town.run(town.issue("o1"))
    town.run(town.redeem("b1", 3000))
    status, plain = call(town, "GET", "/v1/report")
    value, rows = plain["points"], {row["merchant"]: row for row in plain["merchants"]}
    assert (status, plain["height"], plain["filing"]) == (200, town.node.chain.head.height, town.node.genesis.filing)
    assert (value["issued"], value["redeemed"], value["outstanding"]) == (10_000, 3_000, 7_000)
    assert (plain["redeemed_bps"], plain["elsewhere_bps"], plain["expired_bps"]) == (3_000, 10_000, 0)
    assert sum(row["outstanding"] for row in rows.values()) == 7_000
    assert (rows[text("A")]["redeemed_elsewhere"], rows[text("A")]["share_bps"]) == (3_000, 10_000)
    assert plain["decisions"] == {"proposals": {}, "errata": 0, "sandboxes": 0, "challenges": 0}
    assert (plain["statuses"], plain["ended"], plain["since"]) == ({"ACTIVE": 4}, False, START)


def test_info_names_filing_end_and_retention() -> None:
    town = Town()
    status, plain = call(town, "GET", "/v1/info")
    assert (status, plain["filing"], plain["program_end"]) == (200, town.node.genesis.filing, None)
    assert plain["ended"] is False
    assert plain["retention_days"] == {"orders": 180, "anchors": 366, "alerts": 90, "events": 7}
