"""`hnchain devnet add`: one more node for a local network, an observer until a transaction gives it a seat."""

from pathlib import Path

import click
import msgspec

from chainnode.devnet import check_ports, open_devnet
from chainnode.devnet_layout import PORTS_PER_NODE, NodePlace
from chainnode.devnet_members import add_node, membership_of
from chainnode.failures import PortTaken
from chainnode.listening_ports import free_ports
from cli.devnet_options import with_directory
from cli.language import example, t
from cli.output import answer, with_output
from primitives.genesis import load_genesis
from primitives.json_form import to_plain

CANDIDATE = "candidate.json"


@click.command(help=t("Make and start one more node; it catches up and votes once it has a seat.",
                      "新增并启动一个节点；取得席位后追上账本并参与投票。"),
               epilog=example("hnchain devnet add"))  # fmt: skip
@with_directory
@with_output
def add(directory: Path) -> None:
    network = open_devnet(directory)
    genesis = load_genesis((directory / "genesis.json").read_bytes())
    network, place = add_node(network, genesis, _ports(network.places))
    network.start(place)
    network.wait_answering((place,))
    file = network.folder(place) / CANDIDATE
    file.write_bytes(msgspec.json.format(msgspec.json.encode(to_plain(membership_of(network, place, genesis)))))
    command = f"hnchain gov validator-add {file} --as operator"
    answer({"node": place.name, "url": place.url, "candidate": str(file), "next": command},
           t(f"{place.name} runs without a seat at {place.url}; give it one with\n  {command}",
             f"{place.name} 以观察者身份运行于 {place.url}；用以下命令授予席位\n  {command}"))  # fmt: skip


def _ports(places: tuple[NodePlace, ...]) -> tuple[int, int, int, int]:
    """The next ones of the network's own plan if they are free, else any."""
    first = places[-1].peer_port + PORTS_PER_NODE
    planned = NodePlace(0, "", first, first + 1, first + 2, first + 3)
    try:
        check_ports((planned,))
        found = list(planned.ports)
    except PortTaken:
        found = free_ports(4)
    return found[0], found[1], found[2], found[3]
