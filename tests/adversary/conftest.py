"""One network of real processes for all tests of this folder: what they do to it must leave no trace."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.adversary.sockets import unharmed
from tests.integration.local_network import Network, local_network


@pytest.fixture(scope="package")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """Alice has points; at the end no invariant is broken and all four have the same state."""
    directory: Path = tmp_path_factory.mktemp("adversary")
    with local_network(directory) as made:
        line = made.submit(made.places[0], [made.issue("alice", 1_000)])[0]
        assert line["status"] == "committed", line
        yield made
        made.wait_equal()
        for place in made.places:
            assert made.devnet.admin(place, "GET", "/admin/invariants")["violations"] == []
            log = (made.devnet.folder(place) / "node.log").read_text()
            assert "Traceback" not in log and '"ERROR"' not in log, log[-3000:]


@pytest.fixture(scope="module")
def no_trace(network: Network) -> Iterator[None]:
    """After all of a module: same processes, same state root, quick."""
    with unharmed(network):
        yield
