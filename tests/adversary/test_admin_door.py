"""The admin listener of a real node: its own port, its own token, and no test order on a network with a real clock."""

import pytest

from primitives.codes import Code, code_text
from tests.adversary.sockets import ask, unharmed
from tests.integration.local_network import Network

ORDERS = (("GET", "/admin/status"), ("GET", "/admin/invariants"), ("POST", "/admin/stop"), ("POST", "/admin/clock"),
          ("POST", "/admin/block"), ("POST", "/admin/peers"))  # fmt: skip
JSON = "Content-Type: application/json"


def bearer(network: Network, number: int) -> str:
    return f"Authorization: Bearer {network.devnet.token(network.places[number])}"


def test_nothing_without_the_token(network: Network) -> None:
    right = bearer(network, 0)
    others = (bearer(network, 1), right[:-1], right + "0", right.upper(), "Authorization: Bearer \xff\xfe",
              right + "\xff", "Authorization: Bearer " + "0" * 7000)  # fmt: skip
    with unharmed(network):
        for method, path in ORDERS:
            body = b"{}" if method == "POST" else b""
            for missing in ((), ("Authorization: Bearer",), ("Authorization: Basic YTpi",), ("Authorization: ",)):
                heard = ask(network.places[0].admin_port, method, path, JSON, *missing, body=body)
                assert heard.status == 401 and b"WWW-Authenticate: Bearer" in heard.headers, (path, heard)
            for wrong in others:
                heard = ask(network.places[0].admin_port, method, path, JSON, wrong, body=body)
                assert (heard.status, heard.problem["code"]) == (403, code_text(Code.NOT_AUTHORISED)), (path, wrong)
    assert ask(network.places[0].admin_port, "GET", "/admin/status", right).status == 200


def test_the_public_port_has_no_admin_and_the_admin_port_nothing_public(network: Network) -> None:
    for method, path in ORDERS:
        heard = ask(network.places[0], method, path, JSON, bearer(network, 0), body=b"{}" if method == "POST" else b"")
        assert heard.status == 404 and heard.problem["name"] == "NOT_FOUND", path
    for path in ("/v1/status", "/health", "/metrics", "/"):
        assert ask(network.places[0].admin_port, "GET", path, bearer(network, 0)).status == 404, path


@pytest.mark.parametrize(("path", "body"), [
    ("/admin/clock", b'{"time_ms": 9999999999999}'), ("/admin/block", b'{"empty": true}'),
    ("/admin/peers", b'{"drop": ["node1", "node2", "node3"]}'),
])  # fmt: skip
def test_a_real_clock_takes_no_orders(network: Network, path: str, body: bytes) -> None:
    with unharmed(network):
        heard = ask(network.places[0].admin_port, "POST", path, JSON, bearer(network, 0), body=body)
        assert (heard.status, heard.problem["name"]) == (403, "KIND_DISABLED")
        assert network.submit(network.places[0], [network.issue(f"after{path}", 0)])[0]["code"] == "BAD_AMOUNT"
