"""A quote says why, where the transaction may only say that it is too little."""

import json
from typing import Any

from chainnode.calls import JSON
from tests.chainnode.solo import Town, call, make_genesis, text
from tests.points.market import DAY


def quote(town: Town, class_id: str, units: int) -> tuple[int, Any]:
    asked = {"account": text("u"), "class": class_id, "units": units, "to_class": "hB"}
    return call(town, "POST", "/v1/quotes/exchange", json.dumps(asked).encode(), JSON)


def test_a_quote_of_expired_points_says_that_they_expired() -> None:
    town = Town(make_genesis())
    town.run(town.issue("o1", 100))
    assert quote(town, "hA", 100)[0] == 200
    assert quote(town, "hA", 101)[1]["name"] == "INSUFFICIENT"
    town.node.set_clock(town.node.now_ms() + 400 * DAY * 1000)
    assert quote(town, "hA", 100)[1]["name"] == "LOT_EXPIRED"
    assert quote(town, "hA", 101)[1]["name"] == "INSUFFICIENT"
