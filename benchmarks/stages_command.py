"""`hnchain bench stages`: where the CPU time of the nodes goes under a load."""

from pathlib import Path
from typing import Final

import click
import msgspec

from benchmarks.chosen_network import progress
from benchmarks.durations import Seconds
from benchmarks.result_file import save_json
from benchmarks.run import RunFailed
from benchmarks.stages_run import text_of, watched
from benchmarks.trial import Stand
from benchmarks.trials_load import BATCHES_OUTSTANDING
from benchmarks.workload import BATCH_OPERATIONS, PROFILES, Profile
from chainnode.failures import NodeFailure
from cli.language import example, t
from cli.output import answer, say, with_output
from cli.verdicts import usage

RESULTS: Final = Path("benchmarks/results")
OUTSTANDING: Final = 2_048


@click.command(
    help=t("Sample the stacks of all nodes under a closed loop and name the stage of every sample: CPU time per "
           "operation and node, adding up to what the kernel counted. Needs py-spy, which the extra bench brings.",
           "在闭环负载下对所有节点的调用栈采样并归类到各阶段：每个操作每节点的 CPU 时间，合计与内核计数一致。"
           "需要 py-spy（包含在 bench 附加组件中）。"),
    epilog=example("hnchain bench stages --profile batch"),
)  # fmt: skip
@click.option("--profile", type=click.Choice(PROFILES), default="mixed", show_default=True,
              help=t(f"What is sent; batch: envelopes of {BATCH_OPERATIONS} operations.",
                     f"负载类型；batch 为每个信封 {BATCH_OPERATIONS} 个操作。"))  # fmt: skip
@click.option("--outstanding", type=click.IntRange(1, 100_000),
              help=t(f"Transactions at a time; default {OUTSTANDING:,}, of envelopes {BATCHES_OUTSTANDING}.",
                     f"在途交易数；默认 {OUTSTANDING:,}，信封为 {BATCHES_OUTSTANDING}。"))  # fmt: skip
@click.option("--duration", type=Seconds(), default="15s", show_default=True, help=t("Of the load.", "负载时长。"))
@click.option("--validators", type=click.IntRange(4, 22), default=4, show_default=True,
              help=t("Of the throw-away network.", "临时网络的验证节点数。"))  # fmt: skip
@click.option("--results", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.json",
              help=t(f"Where the table is kept; default {RESULTS}/stages.json, of another profile stages-PROFILE.json.",
                     f"保存位置；默认 {RESULTS}/stages.json，其他负载为 stages-负载.json。"))  # fmt: skip
@click.option("--stacks", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.txt",
              help=t("Also the collapsed stacks, for any flame graph tool.",
                     "另存折叠调用栈，可供任意火焰图工具使用。"))  # fmt: skip
@with_output
def stages(
    profile: Profile, outstanding: int | None, duration: float, validators: int, results: Path | None,
    stacks: Path | None,
) -> None:  # fmt: skip
    if duration < 3:
        raise usage(t("--duration: at least 3s", "--duration：至少 3s"))
    stand = Stand(Path.cwd(), 1, False, say, progress())
    outstanding = outstanding or (BATCHES_OUTSTANDING if profile == "batch" else OUTSTANDING)
    try:
        found = watched(stand, duration, outstanding, validators, profile)
    except (RunFailed, NodeFailure, OSError) as error:
        raise usage(str(error)) from error
    if stacks is not None:
        stacks.write_text("".join(f"{stack} {count}\n" for stack, count in found.stacks.items()), encoding="utf-8")
    kept = msgspec.structs.replace(found, stacks={})
    save_json(results or RESULTS / ("stages.json" if profile == "mixed" else f"stages-{profile}.json"), kept)
    answer(msgspec.to_builtins(kept), text_of(found))
