"""`hnchain devnet`: a network of real processes on this machine."""

import os
import secrets
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from chainnode.devnet import Devnet, check_directory, check_ports, create, is_devnet, open_devnet, wait_for
from chainnode.devnet_layout import PORT_BASE, NodePlace, devnet_genesis, plan_ports
from chainnode.failures import NodeFailure
from cli.devnet_members import add
from cli.devnet_options import with_directory
from cli.devnet_snapshot import snapshot
from cli.devnet_wallets import addresses, demo_wallets, write_wallets
from cli.language import example, t
from cli.network import NETWORK_FILE, network_file
from cli.output import answer, pairs, say, table, with_output
from cli.verdicts import Refusal, Verdict, usage
from primitives.codes import Code
from primitives.genesis import genesis_text

F = TypeVar("F", bound=Callable[..., Any])
CATCH_UP_SECONDS = 30.0
SIGNAL_SECONDS = 2.0  # until the kernel shows a stopped process as such


@click.group(help=t("A local network of real processes.", "本地网络（真实进程）。"),
             epilog=example("hnchain devnet up -d"))  # fmt: skip
def devnet() -> None:
    pass


devnet.add_command(snapshot)
devnet.add_command(add)


@devnet.command(help=t("Make the network if there is none, start all nodes, wait until they are ready.",
                       "创建（如不存在）并启动全部节点，直至就绪。"),
                epilog=example("hnchain devnet up -d --validators 4"))  # fmt: skip
@click.option("-d", "--detach", is_flag=True, help=t("Return once it is ready.", "就绪后返回，节点在后台运行。"))
@click.option("--validators", type=click.IntRange(4, 22), help=t("Default: 4.", "默认 4。"))
@click.option("--port-base", type=int, metavar="P", help=t(f"First port; default {PORT_BASE}.",
                                                           f"起始端口，默认 {PORT_BASE}。"))
@click.option("--test-clock", is_flag=True, help=t("Time moves only when told to.", "使用测试时钟。"))
@with_directory
@with_output
def up(detach: bool, validators: int | None, port_base: int | None, test_clock: bool, directory: Path) -> None:
    network = _existing(directory, validators, port_base) if is_devnet(directory) else None
    if network is None:
        check_directory(directory)
        places = plan_ports(port_base or PORT_BASE, validators or 4)
        check_ports(places)
        network = make(directory, places, secrets.token_bytes(32), test_clock)
    began = time.monotonic()
    check_ports([place for place in network.places if network.process(place) is None])
    for place in network.places:
        network.start(place)
    try:
        network.wait_ready(network.places)
    except (NodeFailure, KeyboardInterrupt):
        network.stop()
        raise
    say(t(f"{len(network.places)} nodes ready after {time.monotonic() - began:.1f} s",
          f"{len(network.places)} 个节点就绪，用时 {time.monotonic() - began:.1f} 秒"))  # fmt: skip
    _show(network)
    if not detach:
        _stay(network)


def make(
    directory: Path, places: tuple[NodePlace, ...], seed: bytes, test_clock: bool, classes: bool = True,
    now: int | None = None,
) -> Devnet:  # fmt: skip
    """A new network's folder with its demo wallets and network.json; nothing is started."""
    wallets = demo_wallets(seed)
    keys = {name: wallet.key for name, wallet in wallets.items()}
    genesis = devnet_genesis(seed, now or int(time.time()), len(places), keys, test_clock, classes)
    network = create(directory, seed, places, genesis)
    write_wallets(directory, wallets)
    file = network_file(genesis, [place.url for place in places], addresses(wallets))
    (directory / NETWORK_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(file), indent=1))
    return network


def _existing(directory: Path, validators: int | None, port_base: int | None) -> Devnet:
    network = open_devnet(directory)
    base, count = network.places[0].peer_port, len(network.places)
    if (port_base or base) != base or (validators or count) != count:
        raise usage(t(f"{directory} holds a network of {count} nodes from port {base} on",
                      f"{directory} 中已有 {count} 个节点的网络，起始端口 {base}"),
                    t("another --dir, or hnchain devnet prune",
                      "换用其他 --dir，或执行 hnchain devnet prune"))  # fmt: skip
    return network


def _show(network: Devnet) -> None:
    file = msgspec.json.decode((network.directory / NETWORK_FILE).read_bytes())
    api = network.places[0].url
    plain = {
        "directory": str(network.directory), "chain_id": file["chain_id"],
        "nodes": [_place_plain(network, place) for place in network.places],
        "identities": file["identities"], "genesis": str(network.directory / "genesis.json"),
    }  # fmt: skip
    rows = [(place.name, place.url, network.process(place) or "-", network.folder(place) / "node.log")
            for place in network.places]  # fmt: skip
    text = "\n".join([
        table((t("node", "节点"), "API", "pid", t("log", "日志")), rows), "",
        pairs([(t("explorer", "浏览器"), f"{api}/"), (t("API description", "接口文档"), f"{api}/docs"),
               (t("metrics", "指标"), f"{api}/metrics"), ("genesis", network.directory / "genesis.json")]), "",
        t("demo identities (passphrase: demo)", "演示身份（口令：demo）"),
        pairs(list(file["identities"].items())), "",
        t("next:", "下一步："),
        "  hnchain merchant issue --class hotel --to alice --units 10000 --order H-1 --cash 100000 --as hotel",
        "  hnchain merchant request --order R-1 --value 3000 --as seafood -o json > r.json",
        "  hnchain wallet pay r.json --as alice",
    ])  # fmt: skip
    answer(plain, text)


def _place_plain(network: Devnet, place: NodePlace) -> dict[str, Any]:
    ports = {"peer_port": place.peer_port, "admin_port": place.admin_port, "ingress_port": place.ingress_port}
    return {"name": place.name, "url": place.url, **ports, "pid": network.process(place), "state": network.state(place)}


def _stay(network: Devnet) -> None:
    """In the foreground until Ctrl-C or SIGTERM; then all nodes are stopped."""
    say(t("Ctrl-C stops the network", "按 Ctrl-C 停止网络"))
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
    try:
        while not stop and any(network.process(place) is not None for place in network.places):
            time.sleep(0.2)
    except KeyboardInterrupt:
        pass
    network.stop()


@devnet.command(help=t("Stop all nodes; the data stays.", "停止全部节点，保留数据。"),
                epilog=example("hnchain devnet down"))  # fmt: skip
@with_directory
@with_output
def down(directory: Path) -> None:
    network = open_devnet(directory)
    network.stop()
    answer({"stopped": [place.name for place in network.places]}, t("stopped; the data stays", "已停止，数据保留"))


@devnet.command(help=t("All nodes: process, height, view, peers, state root.",
                       "各节点的进程、高度、视图、连接与状态根。"),
                epilog=example("hnchain devnet status -o json"))  # fmt: skip
@with_directory
@with_output
def status(directory: Path) -> None:
    network = open_devnet(directory)
    plain, rows = [], []
    for place in network.places:
        found = network.status(place) if network.state(place) == "running" else None
        found = found or {}
        peers = sum(1 for peer in found.get("peers", []) if peer["connected"])
        plain.append({**_place_plain(network, place), "status": found or None})
        rows.append((place.name, network.state(place), network.process(place) or "-", found.get("height", "-"),
                     found.get("view", "-"), found.get("leader", "-"), peers if found else "-",
                     str(found.get("state_root", "-"))[:16], place.url))  # fmt: skip
    headers = (t("node", "节点"), t("process", "进程"), "pid", t("height", "高度"), t("view", "视图"),
               t("leader", "主节点"), t("peers", "连接"), t("state root", "状态根"), "API")  # fmt: skip
    answer(plain, table(headers, rows))


def _node_command(name: str, english: str, chinese: str) -> Callable[[Callable[[Devnet, NodePlace], None]], None]:
    """Registers `devnet NAME NODE`; NODE is a name, a number, or "leader"."""

    def register(act: Callable[[Devnet, NodePlace], None]) -> None:
        @devnet.command(name, help=t(english, chinese),
                        epilog=t(f"Example: hnchain devnet {name} node0",
                                 f"示例：hnchain devnet {name} node0"))  # fmt: skip
        @click.argument("node")
        @with_directory
        @with_output
        def command(node: str, directory: Path) -> None:
            network = open_devnet(directory)
            place = network.place(leader_of(network) if node == "leader" else node)
            act(network, place)
            answer(_place_plain(network, place), f"{place.name}: {network.state(place)}")

    return register


def leader_of(network: Devnet) -> str:
    """The leader's name as the first running node sees it. Raises: Refusal (exit 4) if no node answers."""
    for place in network.places:
        found = network.status(place) if network.state(place) == "running" else None
        if found is not None:
            return str(found["leader"])
    raise Refusal(Verdict.UNREACHABLE, Code.NODE_UNREACHABLE, t("no node answers", "没有节点应答"))


def _signal(network: Devnet, place: NodePlace, number: int) -> None:
    if not network.signal(place, number):
        raise usage(t(f"{place.name} does not run", f"{place.name} 未运行"))


@_node_command("kill", "SIGKILL a node (a name, a number, or `leader`).", "强制终止一个节点（名称、编号或 leader）。")
def _kill(network: Devnet, place: NodePlace) -> None:
    if not network.kill(place):
        raise usage(t(f"{place.name} does not run", f"{place.name} 未运行"))


@_node_command("pause", "SIGSTOP a node: it is there and silent.", "暂停一个节点（SIGSTOP）。")
def _pause(network: Devnet, place: NodePlace) -> None:
    _signal(network, place, signal.SIGSTOP)
    wait_for(lambda: network.state(place) == "paused", SIGNAL_SECONDS)


@_node_command("resume", "SIGCONT a paused node.", "恢复已暂停的节点。")
def _resume(network: Devnet, place: NodePlace) -> None:
    _signal(network, place, signal.SIGCONT)
    wait_for(lambda: network.state(place) == "running", SIGNAL_SECONDS)


@devnet.command(help=t("Start nodes again (all stopped ones without a name); wait until they answer and, "
                       "with a quorum, have caught up.",
                       "重新启动节点（不带名称则启动全部已停止的节点），直至应答；达到法定数量时等待追上。"),
                epilog=example("hnchain devnet start node0"))  # fmt: skip
@click.argument("nodes", nargs=-1)
@with_directory
@with_output
def start(nodes: tuple[str, ...], directory: Path) -> None:
    network = open_devnet(directory)
    stopped = [place for place in network.places if network.process(place) is None]
    chosen = [network.place(node) for node in nodes] or stopped
    check_ports([place for place in chosen if place in stopped])
    for place in chosen:
        network.start(place)
    network.wait_answering(chosen)
    _catch_up(network, chosen)
    text = "\n".join(f"{place.name}: {network.state(place)}" for place in chosen)
    answer([_place_plain(network, place) for place in chosen], text or t("all nodes run already", "所有节点均在运行"))


def _catch_up(network: Devnet, places: list[NodePlace]) -> None:
    """Wait until these nodes stand where the furthest one stands now, if enough of them run to get there."""
    found = [status for place in network.places if (status := network.status(place)) is not None]
    if not found or len(found) < int(found[0]["quorum"]):
        return
    goal = max(int(status["height"]) for status in found)
    if not wait_for(lambda: all(_height(network, place) >= goal for place in places), CATCH_UP_SECONDS):
        say(t(f"not at height {goal} after {CATCH_UP_SECONDS:.0f} s yet; they go on catching up",
              f"{CATCH_UP_SECONDS:.0f} 秒后仍未达到高度 {goal}，将继续追赶"))  # fmt: skip


def _height(network: Devnet, place: NodePlace) -> int:
    status = network.status(place)
    return -1 if status is None else int(status["height"])


@devnet.command(help=t("Cut the links between these nodes and the others (needs --test-clock).",
                       "切断所列节点与其余节点之间的连接（需测试时钟网络）。"),
                epilog=example("hnchain devnet partition node0 node1"))  # fmt: skip
@click.argument("nodes", nargs=-1, required=True)
@with_directory
@with_output
def partition(nodes: tuple[str, ...], directory: Path) -> None:
    network = open_devnet(directory)
    group = [network.place(node) for node in nodes]
    network.partition(group)
    rest = [place.name for place in network.places if place not in group]
    cut = [place.name for place in group]
    answer({"groups": [cut, rest]}, f"{', '.join(cut)} | {', '.join(rest)}")


@devnet.command(help=t("Mend all links.", "恢复全部连接。"),
                epilog=example("hnchain devnet heal"))  # fmt: skip
@with_directory
@with_output
def heal(directory: Path) -> None:
    network = open_devnet(directory)
    network.heal()
    answer({"healed": True}, t("all links are mended", "全部连接已恢复"))


@devnet.command(help=t("Remove the stopped network with all its data.", "删除已停止的网络及其全部数据。"),
                epilog=example("hnchain devnet prune --yes"))  # fmt: skip
@click.option("--yes", is_flag=True, help=t("Do not ask.", "不再确认。"))
@with_directory
@with_output
def prune(yes: bool, directory: Path) -> None:
    network = open_devnet(directory)
    if not yes:
        if not os.isatty(0):
            raise usage(t("this removes all data of the network", "将删除网络的全部数据"), "--yes")
        click.confirm(t(f"Remove {directory}?", f"删除 {directory}？"), abort=True, err=True)
    network.prune()
    answer({"removed": str(directory)}, t(f"{directory} is removed", f"{directory} 已删除"))


@devnet.command(help=t("Print a genesis of the demo network; the same SEED gives the same bytes.",
                       "输出演示网络的创世文件；相同种子得到相同内容。"),
                epilog=example("hnchain devnet genesis --seed demo --time 1759913600 > genesis.json"))  # fmt: skip
@click.option("--seed", required=True, help=t("Any text; the keys made from it are public.",
                                              "任意文本，由其生成的密钥是公开的。"))
@click.option("--time", "at", type=int, required=True, metavar="UNIX", help=t("Time of height 0.", "创世时间。"))
@click.option("--validators", type=click.IntRange(4, 22), default=4, show_default=True, help=t("How many.",
                                                                                               "验证者数量。"))
@click.option("--test-clock", is_flag=True, help=t("With the test clock.", "使用测试时钟。"))
@with_output
def genesis(seed: str, at: int, validators: int, test_clock: bool) -> None:
    raw = seed.encode()[:64]
    keys = {name: wallet.key for name, wallet in demo_wallets(raw).items()}
    click.echo(genesis_text(devnet_genesis(raw, at, validators, keys, test_clock)), nl=False)
