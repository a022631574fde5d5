"""`hnchain bench overload`: more than a network can take."""

from pathlib import Path

import click
import msgspec

from benchmarks.chosen_network import TOURISTS, failed, progress
from benchmarks.durations import Seconds
from benchmarks.network import throwaway_network
from benchmarks.overload import overload as measured
from benchmarks.overload import text_of
from benchmarks.result_file import ResultFile, save_json
from benchmarks.run import RunFailed
from chainnode.failures import NodeFailure
from cli.language import example, t
from cli.output import answer, say, with_output
from cli.verdicts import Verdict, usage


@click.command(
    help=t(
        "Offer a throw-away network several times what it can commit: what it still commits, whether every submission "
        "is answered, and how soon all is well again. A client that only forges signatures is tried before.",
        "向临时网络提交数倍于其能力的交易：仍能上链多少、是否每笔都有答复、多久恢复正常。此前先测试只发伪造签名的客户端。",
    ),
    epilog=example("hnchain bench overload --duration 10s"),
)
@click.option("--duration", type=Seconds(), default="60s", show_default=True, help=t("Of the overload.", "过载时长。"))
@click.option("--times", type=click.FloatRange(1, 20), default=3.0, show_default=True,
              help=t("The knee.", "拐点的倍数。"))  # fmt: skip
@click.option("--knee", type=click.FloatRange(min=1), metavar="RATE",
              help=t("Measured before (hnchain bench knee); default: the best rate of a closed loop.",
                     "此前测得的拐点（hnchain bench knee）；默认取闭环最高速率。"))  # fmt: skip
@click.option("--validators", type=click.IntRange(4, 22), default=4, show_default=True,
              help=t("Of the network.", "验证节点数。"))  # fmt: skip
@click.option("--report", type=ResultFile(), metavar="FILE.json",
              help=t("Keep the result.", "保存结果。"))  # fmt: skip
@with_output
def overload(duration: float, times: float, knee: float | None, validators: int, report: Path | None) -> None:
    try:
        with throwaway_network(validators, TOURISTS, Path.cwd()) as network:
            found = measured(network, max(duration, 3.0), times, knee or 0.0, progress())
    except NodeFailure as error:
        raise usage(str(error)) from error
    except (RunFailed, OSError) as error:
        raise failed(error) from error
    if report is not None:
        save_json(report, found)
    answer(msgspec.to_builtins(found), text_of(found))
    if not found.is_sound:
        say(t("not sound: see the last lines", "结果不可信：见末尾各行"))
        raise SystemExit(int(Verdict.REJECTED if found.chain.lost else Verdict.UNKNOWN))
