"""`hnchain node snapshot | prune | backup | resync`: the disk of a node, and a node without a disk."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from cli.config_option import with_config
from cli.language import example, t
from cli.output import answer, pairs, say, with_output
from cli.passphrase import read_secret_file
from cli.verdicts import Refusal, Verdict, failure_refusal, usage
from primitives.codes import Code

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


def show(done: int, total: int, what: str = "") -> None:
    """Progress: one line that changes on a terminal, every hundredth step elsewhere."""
    text = f"{what} {done}/{total}" if total else f"{what} {done}"
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{text.strip()}", err=True, nl=bool(total) and done >= total)
    elif done % 100 == 0 or done == total:
        say(text.strip())


def guarded(action: Callable[[], T]) -> T:
    """The action with the node's failures as refusals with their exit codes."""
    from chainnode.devnet_calls import Refused
    from chainnode.failures import NodeFailure
    from chainnode.resync import NoSource
    from chainnode.upkeep import NotCertified

    try:
        return action()
    except (NoSource, NotCertified) as error:
        lied = isinstance(error, NoSource) and error.lied
        raise Refusal(Verdict.REJECTED, Code.BAD_SNAPSHOT if lied else Code.NO_SNAPSHOT, str(error)) from error
    except NodeFailure as error:
        raise failure_refusal(error) from error
    except Refused as error:
        raise Refusal(Verdict.REJECTED, Code.BAD_REQUEST, str(error)) from error


@click.command(help=t("Make a snapshot of the state, for nodes that join or lost their disk; the node may run.",
                      "制作状态快照，供新加入或丢失磁盘的节点使用；节点可以在运行。"),
               epilog=example("hnchain node snapshot --config .devnet/node0/node.toml"))  # fmt: skip
@with_config
@with_output
def snapshot(config_path: Path) -> None:
    from chainnode.upkeep import take_snapshot

    height = guarded(lambda: take_snapshot(config_path, lambda done, total: show(done, total, t("chunk", "分块"))))
    answer({"height": height}, t(f"snapshot of height {height}", f"高度 {height} 的快照"))


@click.command(help=t("Forget blocks and receipts older than the newest N blocks; the node may run. More is kept where "
                      "the chain needs it (256 blocks, 700 s).",
                      "清理最新 N 个区块之前的区块与回执；节点可以在运行。"
                      "链所需的部分会多保留（256 个区块、700 秒）。"),
               epilog=example("hnchain node prune --config node.toml --keep-blocks 100000"))  # fmt: skip
@with_config
@click.option("--keep-blocks", type=click.IntRange(min=1), required=True, metavar="N",
              help=t("How many of the newest blocks to keep.", "保留的最新区块数量。"))  # fmt: skip
@with_output
def prune(config_path: Path, keep_blocks: int) -> None:
    from chainnode.upkeep import prune_history

    def tell(done: int, total: int) -> None:
        show(done, total, t("below height", "已清理至高度"))

    floor = guarded(lambda: prune_history(config_path, keep_blocks, tell))
    answer({"floor": floor}, t(f"history is kept from height {floor} on", f"历史自高度 {floor} 起保留"))


@click.command(help=t("Copy a proven snapshot and the genesis into a new folder; the node may run. Restore it with "
                      "node resync --from FOLDER. Keys and the journal are not copied.",
                      "将可证明的快照与创世文件复制到新目录；节点可以在运行。用 node resync --from 目录 恢复。"
                      "不复制密钥与投票日志。"),
               epilog=example("hnchain node backup --config node.toml --to /backup/monday"))  # fmt: skip
@with_config
@click.option("--to", "target", type=click.Path(path_type=Path), required=True, metavar="DIR",
              help=t("An empty or new folder.", "空目录或新目录。"))  # fmt: skip
@with_output
def backup(config_path: Path, target: Path) -> None:
    from chainnode.upkeep import back_up

    height = guarded(lambda: back_up(config_path, target, lambda done, total: show(done, total, t("chunk", "分块"))))
    answer({"height": height, "folder": str(target)}, f"{target}  {t('height', '高度')} {height}")


def with_ticket_file(command: F) -> F:
    """Adds --ticket-file: for nodes whose reads are scoped."""
    return click.option(
        "--ticket-file", type=click.Path(path_type=Path), metavar="FILE",
        help=t("A read ticket of an operator in a file of mode 0600, for nodes whose reads are scoped.",
               "运营方的查询凭条文件（权限 0600），用于限制查询范围的节点。"),
    )(command)  # fmt: skip


@click.command(help=t("Replace a stopped node's ledger by a proven snapshot, fetched from nodes that need not be "
                      "trusted. The old directory is kept as data.old-N. The node signs nothing until the next epoch.",
                      "用可证明的快照替换已停止节点的账本，来源节点无需可信。原目录保留为 data.old-N。"
                      "节点在下一纪元之前不参与签名。"),
               epilog=example("hnchain node resync --config node.toml --from http://10.0.0.2:26601"))  # fmt: skip
@with_config
@click.option("--from", "places", multiple=True, required=True, metavar="URL|DIR",
              help=t("A node's API, or the folder of a backup; repeat for more.", "节点接口地址或备份目录，可重复。"))
@click.option("--height", type=click.IntRange(min=1), help=t("Of the snapshot; default: the newest.",
                                                             "快照高度，默认最新。"))  # fmt: skip
@click.option("--from-genesis", is_flag=True, help=t("If nobody has a snapshot, begin at height 0.",
                                                     "若无人提供快照，则从高度 0 开始。"))
@with_ticket_file
@with_output
def resync(
    config_path: Path, places: tuple[str, ...], height: int | None, from_genesis: bool, ticket_file: Path | None
) -> None:
    plain = run_resync(config_path, places, height, from_genesis, ticket_file)
    answer(plain, pairs([(t("height", "高度"), plain["height"]), (t("state root", "状态根"), plain["state_root"]),
                         (t("signs nothing up to epoch", "不签名至纪元"), plain["abstains_in"]),
                         (t("old directory", "原目录"), plain["old"] or "-")]))  # fmt: skip


def run_resync(
    config_path: Path, places: tuple[str, ...], height: int | None, from_genesis: bool, ticket_file: Path | None = None
) -> dict[str, Any]:
    """{"height", "state_root", "abstains_in", "old", "blamed"}. Raises: Refusal."""
    from chainnode.config import load_config
    from chainnode.genesis_file import genesis_changes, read_genesis
    from chainnode.resync import Blamed, Progress, Resync
    from chainnode.snapshot_sources import FolderSource, HttpSource, Source

    def tell(news: Blamed | Progress) -> None:
        match news:
            case Blamed(source, why, lied):
                mark = t("LYING NODE", "节点说谎") if lied else t("not used", "未采用")
                say(f"{'✗' if lied else '!'} {mark} {source}: {why}")
            case Progress(phase, _, done, total):
                show(done + 1, total, {"fetching": t("chunk", "分块"), "loading": t("loading", "载入")}[phase])

    def source(place: str) -> Source:
        if "://" not in place:
            return FolderSource(Path(place))
        try:
            return HttpSource(place, ticket)
        except ValueError as error:
            raise usage(str(error)) from error

    ticket = "" if ticket_file is None else read_secret_file(ticket_file).decode("ascii", "replace").strip()
    sources = [source(place) for place in places]

    def run() -> dict[str, Any]:
        config = load_config(config_path)
        genesis = read_genesis(config.genesis)
        done = Resync(Path(config.data), genesis, genesis_changes(genesis), sources, tell).run(height, from_genesis)
        blamed = [{"source": b.source, "why": b.why, "lied": b.lied} for b in done.blamed]
        return {"height": done.height, "state_root": done.state_root.hex(), "abstains_in": done.abstains_in,
                "old": None if done.old is None else str(done.old), "blamed": blamed}  # fmt: skip

    return guarded(run)


COMMANDS = (snapshot, prune, backup, resync)
