"""The table of routes: its description, which path leads where, and that no path makes the node stumble."""

import asyncio
import json

import pytest
from openapi_spec_validator import validate

from chainnode.api import ROUTES, openapi_text
from tests.chainnode.solo import ROUTER, Town, ask, text


def test_the_description_is_valid_and_names_every_route() -> None:
    document = json.loads(openapi_text("0.1.0"))
    validate(document)
    assert document["openapi"].startswith("3.1")
    for route in ROUTES:
        assert route.method.lower() in document["paths"][route.path]
    schema = document["components"]["schemas"]["TransactionInput"]
    kinds = {item["properties"]["kind"]["const"] for item in schema["oneOf"]}
    assert {"issue", "redeem", "batch", "leg_paid"} <= kinds


@pytest.mark.parametrize(
    ("method", "path", "found"),
    [
        ("GET", "/v1/status", "/v1/status"), ("HEAD", "/v1/status", "/v1/status"), ("POST", "/v1/status", None),
        ("GET", "/v1/blocks/7", "/v1/blocks/{height}"), ("GET", "/v1/blocks/", None), ("GET", "/v1/blocks//", None),
        ("GET", "/admin/status", None), ("GET", "/v1/orders/a/b%2Fc", "/v1/orders/{merchant}/{order_id}"),
        ("GET", "//", None), ("GET", "", None),
    ],
)  # fmt: skip
def test_routes(method: str, path: str, found: str | None) -> None:
    route = ROUTER.match(method, path).route
    assert (None if route is None else route.path) == found


STRANGE = (
    "0", "-1", "18446744073709551616", "ab" * 32, "AB" * 32, "hn1" + "q" * 38, text("u"), text("FUND"), "%00", "%ff",
    "%ED%A0%80", "..", "%2e%2e%2f", "%0d%0aX:1", "x" * 5000, "中", "%E4%B8%AD", "latest", "'\"<>",
)  # fmt: skip


@pytest.mark.parametrize("path", [r.path for r in ROUTES if r.method == "GET" and "{" in r.path])
def test_no_path_makes_the_node_stumble(path: str) -> None:
    town = Town()
    town.run(town.issue("o1"))
    names = [segment for segment in path.split("/") if segment[:1] == "{"]
    for strange in STRANGE:
        for name in names:
            filled = path.replace(name, strange)
            for other in names:
                filled = filled.replace(other, text("A"))
            assert asyncio.run(ask(town, "GET", filled)).status in (200, 400, 404, 503), filled


def test_a_segment_is_decoded_after_the_split() -> None:
    assert ROUTER.match("GET", "/v1/orders/a/b%2Fc").path == {"merchant": "a", "order_id": "b/c"}
