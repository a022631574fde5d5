"""`hnchain bench growth`: how cost grows."""

import time
from pathlib import Path
from typing import Final

import click
import msgspec

from benchmarks import growth as growths
from benchmarks.chosen_network import progress
from benchmarks.run import RunFailed
from benchmarks.scoreboard import sources_key
from benchmarks.trial import Stand
from chainnode.failures import NodeFailure
from cli.language import example, t
from cli.output import answer, say, with_output
from cli.verdicts import Verdict
from ledger.failures import FatalError

RESULTS: Final = Path("benchmarks/results/growth.json")


@click.command(
    help=t("Measure how cost grows with validators, operations per envelope, hot keys and accounts. A curve that was "
           "measured of these sources stands; --again measures it anew.",
           "测量成本随验证节点数、每信封操作数、访问热点与账户数的增长。同一版本已测的曲线保留，--again 重新测量。"),
    epilog=example("hnchain bench growth --curve validators"),
)  # fmt: skip
@click.option("--curve", "names", type=click.Choice(list(growths.CURVES)), multiple=True,
              help=t("Only these; repeatable.", "仅这些曲线，可重复。"))  # fmt: skip
@click.option("--again", is_flag=True, help=t("Also curves that stand.", "已测的曲线也重新测量。"))
@click.option("--short", is_flag=True, help=t("Loads of two seconds, to try it.", "两秒负载，仅供试用。"))
@click.option("--results", type=click.Path(path_type=Path, dir_okay=False), default=RESULTS, show_default=True,
              metavar="FILE.json", help=t("Where curves are kept.", "保存位置。"))  # fmt: skip
@with_output
def growth(names: tuple[str, ...], again: bool, short: bool, results: Path) -> int:
    sources = sources_key()
    failed = False
    for name in names or tuple(growths.CURVES):
        kept = growths.load_growth(results).curves.get(name)
        if kept is not None and sources and kept.sources == sources and kept.short <= short and not again:
            say(t(f"{name}: stands", f"{name}：保留"))
            continue
        say(t(f"{name} ...", f"{name} ……"))
        began = time.monotonic()
        stand = Stand(Path.cwd(), 1, short, say, progress())
        try:
            points = growths.CURVES[name](stand)
        except (RunFailed, NodeFailure, FatalError, OSError) as error:
            say(t(f"{name}: {error}", f"{name}：{error}"))
            failed = True
            continue
        growths.keep(results, name, growths.Curve(sources, points, short))
        say(t(f"{name}: {time.monotonic() - began:.0f} s", f"{name}：{time.monotonic() - began:.0f} 秒"))
    found = growths.load_growth(results)
    answer(msgspec.to_builtins(found), growths.text_of(found))
    return int(Verdict.UNKNOWN if failed else Verdict.DONE)
