"""What the API says about clearing: the fund, losses of a window, breakage, and a history that statements can read."""

from cli.merchant_statement import Period, build_statement
from points.queries import text
from tests.chainnode.solo import Town, call
from tests.points.market import ADDRESS, DAY

A, B = text(ADDRESS["A"]), text(ADDRESS["B"])


class Wire:
    """A client of the solo node without a socket."""

    def __init__(self, town: Town) -> None:
        self.town = town

    def get(self, path: str, **query: object) -> object:
        status, body = call(self.town, "GET", path, **{k: str(v) for k, v in query.items() if v is not None})
        assert status == 200, body
        return body

    def find(self, path: str, **query: object) -> object:
        return self.get(path, **query)


def defaulted() -> Town:
    town = Town()
    town.run(town.issue("o1"))
    town.run(town.redeem("b1", 100))
    for _ in range(4):
        town.node.set_clock(town.node.now_ms() + DAY * 1000)
    return town


def test_clearing_is_told() -> None:
    town = defaulted()
    status, fund = call(town, "GET", "/v1/fund")
    assert (status, fund) == (200, {"received": 0, "committed": 0, "advanced": 0, "available": 0} | fund)
    status, losses = call(town, "GET", "/v1/windows/1/losses")
    assert (status, losses["helped"]) == (200, {})
    assert call(town, "GET", "/v1/windows/99/losses")[0] == 404
    assert call(town, "GET", "/v1/windows/2/shared") == (200, {"items": []})
    assert call(town, "GET", f"/v1/merchants/{A}/breakage") == (200, {"items": []})
    assert call(town, "GET", f"/v1/merchants/{text(ADDRESS['u'])}/breakage")[0] == 404
    status, window = call(town, "GET", "/v1/windows/1")
    assert window["state"] == "DEFAULTED" and window["advanced"] == {}


def test_a_statement_of_a_real_history_agrees() -> None:
    """Events of blocks stand in that history too; they are passed over, not counted twice."""
    town = defaulted()
    wire = Wire(town)
    for me in (A, B):
        window = wire.get("/v1/windows/1")
        statement = build_statement(wire, me, Period((window,)))  # type: ignore[arg-type]
        assert statement["faults"] == []
        assert statement["closing_uy"] == (-1_000_000 if me == A else 995_000)
    items = wire.get(f"/v1/accounts/{A}/history")["items"]  # type: ignore[index]
    kinds = {event["kind"] for item in items if item["tx"] == "0" * 64 for event in item["events"]}
    assert {"InstructionCreated", "Defaulted", "ReserveChanged"} <= kinds
