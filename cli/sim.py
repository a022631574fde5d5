"""`hnchain sim`: a whole network in this process on virtual time, with faults and traitors; one seed is one run."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.language import example, t
from cli.output import answer, pairs, say, with_output
from cli.verdicts import Refusal, Verdict
from primitives.codes import Code

if TYPE_CHECKING:
    from simulation.failure import SimulationFailed
    from simulation.plan import Plan
    from simulation.summary import Summary


@click.command(help=t("Play one network on virtual time with faults and traitors; exit 1 if a rule breaks.",
                      "在虚拟时间上运行整个网络，注入故障与作恶者；规则被破坏时退出 1。"),
               epilog=example("hnchain sim --seed 17 --nodes 4 --byzantine equivocate --trace -"))  # fmt: skip
@click.option("--seed", type=click.IntRange(0), help=t("Draws the plan and all chance in it; default 0.",
                                                       "决定计划与其中的随机数，默认 0。"))  # fmt: skip
@click.option("--nodes", type=click.IntRange(4, 22), help=t("Validators; default 4.", "验证者数量，默认 4。"))
@click.option("--byzantine", "roles", multiple=True, metavar="ROLE",
              help=t("A traitor's role, again for each of at most f; \"none\": no traitor; \"list\": all roles.",
                     "作恶者的角色，可重复，至多 f 个；none 表示没有，list 列出全部角色。"))  # fmt: skip
@click.option("--until", type=click.IntRange(1), metavar="H", help=t("Go on to this height.", "运行到该高度。"))
@click.option("--trace", type=click.Path(path_type=Path), metavar="FILE",
              help=t("One line per step; - is stdout.", "每步一行；- 表示标准输出。"))  # fmt: skip
@click.option("--plan", "plan_file", type=click.Path(path_type=Path), metavar="FILE",
              help=t("Play this plan instead of a seed's.", "运行该计划文件，而非种子。"))  # fmt: skip
@click.option("--print-plan", is_flag=True, help=t("Print the plan as JSON and play nothing.",
                                                   "只输出计划的 JSON，不运行。"))  # fmt: skip
@click.option("--shrink", "shrinks", is_flag=True, help=t("Make a failing plan smaller (up to 60 s).",
                                                          "把失败的计划缩小（至多 60 秒）。"))  # fmt: skip
@click.option("--save", type=click.Path(path_type=Path), default=Path("."), metavar="DIR", show_default=True,
              help=t("Where the plan of a failing run is kept.", "失败计划的保存目录。"))  # fmt: skip
@with_output
def sim(
    seed: int | None, nodes: int | None, roles: tuple[str, ...], until: int | None, trace: Path | None,
    plan_file: Path | None, print_plan: bool, shrinks: bool, save: Path,
) -> int:  # fmt: skip
    from simulation.failure import SimulationFailed
    from simulation.roles import Role
    from simulation.run import run_plan
    from simulation.summary import Summary

    if roles == ("list",):
        answer([role.value for role in Role], "\n".join(role.value for role in Role))
        return int(Verdict.DONE)
    plan = _plan(seed, nodes, roles, until, plan_file)
    if print_plan:
        from simulation.plan import dump_plan

        click.echo(dump_plan(plan))
        return int(Verdict.DONE)
    with ExitStack() as stack:
        try:
            outcome = run_plan(plan, _writer(trace, stack))
        except SimulationFailed as failure:
            return _failed(failure, shrinks, save)
    summary = Summary()
    summary.add(outcome)
    _report(plan, summary)
    return int(Verdict.DONE)


def _plan(
    seed: int | None, nodes: int | None, roles: tuple[str, ...], until: int | None, plan_file: Path | None
) -> "Plan":
    from msgspec.structs import replace

    from simulation.plan import check_plan, load_plan, plan_of, plan_up_to, with_roles

    try:
        if plan_file is not None:
            if seed is not None or nodes is not None or roles:
                raise ValueError(t("--plan says all: no --seed, --nodes or --byzantine beside it",
                                   "--plan 已包含全部内容，不能与 --seed、--nodes、--byzantine 并用"))  # fmt: skip
            plan = load_plan(plan_file)
            plan = plan if until is None else replace(plan, until_height=until)
        else:
            plan = plan_of(seed or 0, nodes or 4)
            plan = plan if until is None else plan_up_to(plan, until)
            plan = with_roles(plan, roles) if roles else plan
        check_plan(plan)
    except (OSError, ValueError) as error:
        raise Refusal(Verdict.USAGE, Code.USAGE, str(error)) from error
    return plan


def _writer(trace: Path | None, stack: ExitStack) -> Callable[[str], None] | None:
    if trace is None:
        return None
    if str(trace) == "-":
        return click.echo
    try:
        file = stack.enter_context(trace.open("w", encoding="utf-8"))
    except OSError as error:
        raise Refusal(Verdict.USAGE, Code.USAGE, str(error)) from error
    return lambda line: print(line, file=file)


def _report(plan: "Plan", summary: "Summary") -> None:
    plain = summary.plain()
    roles = ", ".join(f"{node} {role.value}" for node, role in plan.byzantine.items())
    faults = ", ".join(f"{kind} {count}" for kind, count in sorted(summary.faults.items()))
    rows: list[tuple[str, object]] = [
        (t("seed", "种子"), f"{plan.seed}, n = {plan.nodes}"),
        (t("traitors", "作恶者"), roles or t("none", "无")),
        (t("faults", "故障"), faults or t("none", "无")),
        (t("events", "事件"), summary.events),
        (t("virtual time", "虚拟时间"), f"{summary.virtual_ms / 1000:.1f} s"),
        (t("height, view", "高度与视图"), f"{summary.blocks}, {summary.highest_view}"),
        (t("recovery", "恢复用时"), f"{summary.slowest_heal_ms} ms"),
        *((name, count) for name, count in sorted(summary.counts.items())),
        (t("violations", "违规"), 0),
    ]
    answer({"ok": True, "seed": plan.seed, "nodes": plan.nodes, **plain}, pairs(rows))


def _failed(failure: "SimulationFailed", shrinks: bool, save: Path) -> int:
    from simulation.failure import save_plan
    from simulation.run import failure_of
    from simulation.shrinking import shrink

    if shrinks:
        say(t(f"{failure.sentence}\nmaking the plan smaller ...", f"{failure.sentence}\n正在缩小计划……"))
        failure = shrink(failure, failure_of)
    path = save_plan(failure.plan, save)
    plain = {"ok": False, "error": failure.sentence, "at_ms": failure.at_ms, "plan": str(path)}
    answer(plain, str(failure))
    say(t(f"plan kept: {path}; again: hnchain sim --plan {path} --trace -",
          f"计划已保存：{path}；重放：hnchain sim --plan {path} --trace -"))  # fmt: skip
    if not shrinks:
        say(t(f"smaller: hnchain sim --plan {path} --shrink", f"缩小：hnchain sim --plan {path} --shrink"))
    return int(Verdict.REJECTED)
