"""Networks that start side by side may choose the same ports: who comes second takes others."""

import socket
from pathlib import Path

import pytest

from chainnode.listening_ports import free_ports
from tests.integration import local_network as stage


def test_a_network_starts_elsewhere_where_a_port_is_taken_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[int]] = []
    with socket.socket() as other:

        def taken_at_first(count: int) -> list[int]:
            asked.append(free_ports(count))
            if len(asked) == 1:
                other.bind(("127.0.0.1", asked[0][0]))
                other.listen()
            return asked[-1]

        monkeypatch.setattr(stage, "free_ports", taken_at_first)
        with stage.local_network(tmp_path) as network:
            assert len(asked) == 2
            assert network.height(network.places[0]) >= 0
