"""What the API says about assets and anchors, and that a sale stands in the seller's statement."""

from typing import Any

from cli.merchant_statement import Period, build_statement
from points.queries import text
from primitives.kinds import WindowClose
from primitives.kinds_assets import Anchor, AssetOffer, AssetRegister, AssetSwap
from tests.chainnode.solo import Town, call
from tests.chainnode.test_clearing_answers import Wire
from tests.points.market import ADDRESS

HASH = bytes(range(32))


def sold() -> Town:
    """u bought "print/7" of D."""
    town = Town()
    town.run(town.issue("o1"))
    town.run(town.sign("D", AssetRegister("print/7", HASH, "copyright")))
    town.run(town.sign("D", AssetRegister("print/8", HASH, "copyright")))
    town.run(town.sign("D", AssetOffer("print/7", 300, "d1")))
    town.run(town.sign("u", AssetSwap("print/7", 300)))
    return town


def test_assets_are_told() -> None:
    town = sold()
    status, plain = call(town, "GET", "/v1/assets/print%2F7")
    assert (status, plain["owner"], plain["price"]) == (200, text(ADDRESS["u"]), None)
    assert call(town, "GET", "/v1/assets/print%2F9")[0] == 404
    pages: list[Any] = [call(town, "GET", "/v1/assets", limit="1")[1]]
    while pages[-1]["next"] is not None:
        pages.append(call(town, "GET", "/v1/assets", limit="1", after=pages[-1]["next"])[1])
    assert [item["asset"] for page in pages for item in page["items"]] == ["print/7", "print/8"]
    mine = call(town, "GET", "/v1/assets", owner=text(ADDRESS["D"]))[1]["items"]
    assert [item["asset"] for item in mine] == ["print/8"]
    for wrong in ({"owner": "u"}, {"after": "a b"}, {"limit": "0"}, {"limit": "201"}):
        assert call(town, "GET", "/v1/assets", **wrong)[0] == 400


def test_anchors_are_told() -> None:
    town = Town()
    town.run(town.sign("A", Anchor("project/east", HASH)))
    status, plain = call(town, "GET", f"/v1/anchors/project%2Feast/{HASH.hex()}")
    assert (status, plain["by"], plain["height"]) == (200, text(ADDRESS["A"]), 1)
    assert call(town, "GET", f"/v1/anchors/project/{HASH.hex()}")[0] == 404
    assert call(town, "GET", "/v1/anchors/project/abc")[0] == 400


def test_a_sale_stands_in_the_statement_of_the_seller() -> None:
    """300 fen less the fee of 0.5 %, as any payment."""
    town = sold()
    town.run(town.sign("operator", WindowClose()))
    wire = Wire(town)
    statement = build_statement(wire, text(ADDRESS["D"]), Period((wire.get("/v1/windows/1"),)))  # type: ignore[arg-type]
    assert (statement["faults"], statement["closing_uy"]) == ([], 2_985_000)
