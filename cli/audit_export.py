"""`hnchain audit export`: blocks, receipts, events, obligations, movements, balances and supply as files."""

from pathlib import Path
from typing import Final

import click

from cli.as_of import AsOf, read_as_of
from cli.event_stream import ToldBlock, read_blocks
from cli.export_files import ExportFolder, Format
from cli.export_tables import FROM_GENESIS, TABLES, Accounts, block_rows
from cli.language import example, t
from cli.network import Network, with_network
from cli.output import answer, say, table, with_output
from cli.verdicts import Verdict, usage

FORMATS: Final = ("csv", "json", "parquet")


@click.command(help=t("All that happened, as files for other programs: CSV, JSON lines, or Parquet.",
                      "导出全部数据供其他程序使用：CSV、JSON 行或 Parquet。"),
               epilog=example("hnchain audit export --to year --format parquet"))  # fmt: skip
@click.option("--to", "target", type=click.Path(path_type=Path), required=True, metavar="FOLDER",
              help=t("A new or empty folder.", "新建或空目录。"))  # fmt: skip
@click.option("--format", "form", type=click.Choice(FORMATS), default="csv", show_default=True,
              help=t("Parquet needs hnchain[export].", "Parquet 需安装 hnchain[export]。"))  # fmt: skip
@click.option("--from", "start", type=click.IntRange(min=0), default=0, show_default=True, metavar="HEIGHT",
              help=t("Above 0 without movements, balances and supply: they need everything before.",
                     "大于 0 时不含变动、余额与总量，它们须由全部历史得出。"))  # fmt: skip
@click.option("--as-of", "as_of", metavar="DATE|HEIGHT",
              help=t("The last moment; default: now.", "截止时刻，默认当前。"))  # fmt: skip
@with_network
@with_output
def export(target: Path, form: Format, start: int, as_of: str | None, network: Network) -> int:
    client = network.client()
    status = client.get("/v1/status")
    asked = AsOf(2**62, status["height"]) if as_of is None else read_as_of(as_of, client)
    moment = AsOf(min(asked.time_s, status["block_time_ms"] // 1000), asked.height)
    last = min(status["height"], status["height"] if moment.height is None else moment.height)
    if start > last:
        raise usage(t(f"--from {start} is above {last}", f"--from {start} 高于 {last}"))
    accounts = Accounts() if start == 0 else None
    tables = [name for name in TABLES if accounts is not None or name not in FROM_GENESIS]
    with ExportFolder(target, form, tables) as folder:
        end = _write(folder, network, moment, start, last, accounts)
        faults = [] if accounts is None else accounts.faults
        about = {"chain_id": status["chain_id"], "network": status["network"], "from": start,
                 "to": start - 1 if end is None else end.height, "faults": faults}  # fmt: skip
        manifest = folder.finish(about)
    rows = [(name, file["rows"], file["sha256"][:16]) for name, file in manifest["files"].items()]
    answer({"folder": str(target), **manifest},
           "\n".join([table((t("file", "文件"), t("rows", "行数"), "SHA-256"), rows), *(f"✗ {f}" for f in faults)]))
    return int(Verdict.REJECTED if faults else Verdict.DONE)


def _write(
    folder: ExportFolder, network: Network, moment: AsOf, start: int, last: int, accounts: Accounts | None
) -> ToldBlock | None:
    """Block by block, then what time did up to the end, and the sums. Returns: the last block, None without one."""
    end = None
    for block in read_blocks(network.nodes, start, last, network.tickets):
        if not moment.holds({"height": block.height, "time_ms": block.time_ms}):
            break
        folder.add(block_rows(block, accounts))
        end = block
        if block.height % 1000 == 0 and block.height:
            say(f"{block.height}/{last}")
    if accounts is not None and end is not None:
        folder.add({"movements": accounts.pass_time(moment.time_s)})
        folder.add({"balances": accounts.balances(moment.time_s), "supply": accounts.supply()})
    return end
