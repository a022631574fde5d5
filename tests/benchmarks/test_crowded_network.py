"""A network whose people stand in the state before its first transaction: it goes on with a chain that it was given."""

from pathlib import Path

from benchmarks.crowd import FIRST_PIECE
from benchmarks.crowded_network import People, crowded_network
from benchmarks.report import Settings
from benchmarks.run import measure


def test_people_are_made_when_asked_for_and_stay_the_same() -> None:
    people = People(bytes(32), 1_000_000)
    assert len(people) == 1_000_000
    assert people[7].address == people[7].address != people[-1].address
    assert [actor.address for actor in people[6:8]] == [people[6].address, people[7].address]


def test_four_nodes_go_on_with_the_ledger_and_everybody_pays(tmp_path: Path) -> None:
    with crowded_network(3 * FIRST_PIECE + 1, tmp_path) as network:
        begun = max(status["height"] for status in network.statuses().values())
        settings = Settings("mixed", "ingress", 0.0, 1.0, 0.5, 32, 4, len(network.cast.tourists), supply=3_000)
        result = measure(network, settings, "mixed", lambda _what, _part: None)
        folder = network.devnet.folder(network.devnet.places[0])
    assert begun in (4, 5), "three blocks with people, one with the sums, perhaps the nodes' own flush block"
    assert result.is_sound and result.endings["committed"] > 10
    assert result.endings["committed"] == sum(result.endings.values()), result.rejected
    assert not folder.exists()
