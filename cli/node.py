"""`hnchain node`: prepare, run and check one validator."""

from pathlib import Path
from typing import Any

import click
import msgspec

from cli import joining, upkeep
from cli.config_option import with_config
from cli.language import example, t
from cli.network import Network, with_network
from cli.node_keys import make_keys
from cli.output import answer, pairs, say, with_output
from cli.validator_keys import candidate, rotate_key
from cli.verdicts import Verdict, failure_refusal, usage


@click.group(help=t("Prepare, run and check one node.", "准备、运行、核验单个节点。"),
             epilog=example("hnchain node run --config node.toml"))  # fmt: skip
def node() -> None:
    pass


for command in (candidate, rotate_key, *upkeep.COMMANDS, *joining.COMMANDS):
    node.add_command(command)


@node.command(help=t("Make a validator's keys and node.toml in a new folder, and print its public entry for the "
                     "genesis; later, with --config, make its data directory at height 0.",
                     "在新目录生成验证者密钥与 node.toml，并输出供创世文件使用的公开信息；"
                     "之后用 --config 创建数据目录。"),
              epilog=example("hnchain node init --name haikou-hotel --dir haikou-hotel"))
@click.option("--name", help=t("As in the genesis.", "与创世文件一致。"))
@click.option("--dir", "directory", type=click.Path(path_type=Path), help=t("A new folder.", "新目录。"))
@click.option("--port-base", type=int, default=26600, show_default=True, metavar="P",
              help=t("Peers P, API P+1, admin P+2, ingress P+3.",
                     "对等 P，接口 P+1，管理 P+2，接入 P+3。"))  # fmt: skip
@click.option("--config", "config_path", type=click.Path(path_type=Path), metavar="FILE",
              help=t("An existing node.toml with its genesis beside it.", "已有的 node.toml（含创世文件）。"))
@with_output
def init(name: str | None, directory: Path | None, port_base: int, config_path: Path | None) -> int:
    if config_path is not None:
        from chainnode.process import init as init_data

        return init_data(config_path)
    if name is None or directory is None:
        asked = t("a name and a folder, or a configuration", "请给出名称与目录，或配置文件")
        raise usage(asked, "--name N --dir D | --config FILE")
    entry = make_keys(name, directory, port_base)
    say(t("put the entry into $.validators of the genesis, the genesis beside node.toml, the others into [peers]",
          "请将该条目加入创世文件的 $.validators，创世文件放在 node.toml 旁，并在 [peers] 填写其他节点"))
    answer(entry, msgspec.json.format(msgspec.json.encode(entry), indent=1).decode())
    return int(Verdict.DONE)


@node.command(help=t("Run the node until SIGTERM; logs go to stderr as JSON lines.",
                     "运行节点直至 SIGTERM；日志以 JSON 行写入标准错误。"),
              epilog=example("hnchain node run --config node.toml"))  # fmt: skip
@with_config
def run(config_path: Path) -> int:
    from chainnode.process import run as run_node

    return run_node(config_path)


@node.command(help=t("A node's own view: height, view, peers.", "节点状态：高度、视图、连接。"),
              epilog=example("hnchain node status --node http://127.0.0.1:26601"))  # fmt: skip
@with_network
@with_output
def status(network: Network) -> None:
    plain = network.client().get("/v1/status")
    shown = [(key, value) for key, value in plain.items() if not isinstance(value, list)]
    peers = [(f"{t('peer', '对等节点')} {p['name']}", f"{'✓' if p['connected'] else '✗'} {p['height']}")
             for p in plain["peers"]]  # fmt: skip
    answer(plain, pairs(shown + peers))


@node.command(help=t("Check a stopped node's ledger: every block, root and certificate, and replay from genesis.",
                     "核验已停止节点的账本：逐块验证哈希、根与证书，并从创世重放。"),
              epilog=example("hnchain node verify --config .devnet/node0/node.toml"))  # fmt: skip
@with_config
@with_output
def verify(config_path: Path) -> int:
    from chainnode.failures import NodeFailure

    try:
        found = audit_ledger(config_path)
    except NodeFailure as error:
        raise failure_refusal(error) from error
    answer(found, pairs(list(found.items())))
    return int(Verdict.DONE if found["ok"] else Verdict.DAMAGED)


def audit_ledger(config_path: Path) -> dict[str, Any]:
    """{"ok", "height", ...} of a stopped node's ledger; the first difference if it is not ok.

    Raises: NodeFailure.
    """
    from chainnode.ledger_audit import audit_config

    def progress(height: int, stop: int) -> None:
        say(f"{height}/{stop}")

    return audit_config(config_path, progress)
