"""The root of `hnchain`: languages, groups loaded on demand, and how each failure becomes an exit code."""

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, Final

import click
import msgspec

from cli.language import choose, example, t, use
from cli.output import say, wants_json
from cli.terminal import shown_json
from cli.verdicts import Refusal, Verdict
from primitives.codec import Malformed
from primitives.codes import Code

VERSION: Final = "0.1.0"
# name -> (module, attribute, English, Chinese); a module is imported only when its command is asked for
COMMANDS: Final = {
    "devnet": ("cli.devnet", "devnet", "A local network of real processes.", "本地网络（真实进程）。"),
    "demo": ("cli.demo", "demo", "A tourism year on a fresh network.", "在全新网络上演示旅游的一年。"),
    "node": ("cli.node", "node", "Prepare, run and check one node.", "准备、运行、核验单个节点。"),
    "wallet": ("cli.wallet", "wallet", "Keys, balances, payments, receipts.", "密钥、余额、支付、凭证。"),
    "merchant": ("cli.merchant", "merchant", "Issue, charge, refund, settle.", "发放、收款、退款、结算。"),
    "gov": ("cli.validators", "gov", "Committee and validators.", "委员会与验证者。"),
    "sandbox": ("cli.sandboxes", "sandbox", "Trials within hard caps.", "监管沙盒：限额内的试点。"),
    "office": ("cli.offices", "office", "Tiers, freezes, pauses, the window.", "等级、冻结、暂停、结算期。"),
    "asset": ("cli.assets", "asset", "Digital assets for points.", "以积分出售的数字资产。"),
    "anchor": ("cli.assets", "anchor", "Hashes as evidence.", "哈希存证。"),
    "audit": ("cli.audit", "audit", "Supply, exposure, invariants.", "总量、敞口、不变量。"),
    "tx": ("cli.transactions", "tx", "Any transaction as JSON.", "以 JSON 处理任意交易。"),
    "play": ("cli.play", "play", "Run a scenario file.", "运行场景文件。"),
    "sim": ("cli.sim", "sim", "A simulated network with faults and traitors.", "模拟网络：故障与作恶者。"),
    "bench": ("cli.bench", "bench", "Load and micro benchmarks.", "负载与微基准测试。"),
    "info": ("cli.info", "info", "The network one is about to use.", "网络信息与备案号。"),
    "doctor": ("cli.doctor", "doctor", "Check this machine.", "检查本机环境。"),
    "explain": ("cli.explain", "explain", "What a result code means.", "解释结果代码。"),
    "version": ("cli.explain", "version", "Version and formats.", "版本与格式。"),
    "completion": ("cli.explain", "completion", "Shell completion script.", "命令补全脚本。"),
}


class LazyGroup(click.Group):
    """Knows its commands by name; `wallet` must not need the node's packages, nor `--help` anybody's."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section(t("Commands", "命令")):
            formatter.write_dl([(name, t(english, chinese)) for name, (_, _, english, chinese) in COMMANDS.items()])


def build() -> click.Group:
    """The root command in the language in use."""

    @click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
                 help=t("Interchangeable tourism points on a consortium chain.", "一链游海南：旅游消费积分互通互兑。"),
                 epilog=example("hnchain demo"))  # fmt: skip
    @click.option("--lang", type=click.Choice(["zh", "en"]), expose_value=False, is_eager=True,
                  callback=lambda _ctx, _param, value: use(value) if value else None,
                  help=t("Language; default: the locale's.", "语言，默认取自系统区域设置。"))  # fmt: skip
    def root() -> None:
        pass

    return root


def run(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit code and prints what went wrong. Bugs are not caught."""
    arguments = _lang_first(list(arguments))
    use(choose(arguments, os.environ))
    json_asked = _asks_for_json(arguments)
    try:
        result = build().main(args=arguments, prog_name="hnchain", standalone_mode=False)
    except Refusal as refusal:
        return _refused(refusal, json_asked)
    except click.exceptions.Abort:
        say(t("aborted", "已中止"))
        return int(Verdict.USAGE)
    except click.ClickException as error:
        error.show()
        return int(Verdict.USAGE)
    except Malformed as error:
        return _refused(Refusal(Verdict.USAGE, Code.USAGE, str(error)), json_asked)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left: nothing more to say
        return int(Verdict.DONE)
    except KeyboardInterrupt:
        return 130
    return result if isinstance(result, int) else int(Verdict.DONE)


def _refused(refusal: Refusal, json_asked: bool) -> int:
    from cli.submission import refusal_text

    if json_asked or wants_json():
        click.echo(shown_json(msgspec.json.encode(refusal.plain()).decode()))
    say(refusal_text(refusal))
    return int(refusal.verdict)


def _asks_for_json(arguments: Sequence[str]) -> bool:
    follows = any(a in ("-o", "--output") and b == "json" for a, b in zip(arguments, arguments[1:], strict=False))
    return follows or "--output=json" in arguments or "-ojson" in arguments


def _lang_first(arguments: list[str]) -> list[str]:
    """`hnchain wallet balance --lang zh` is as good as `hnchain --lang zh wallet balance`."""
    for i, argument in enumerate(arguments):
        if argument == "--":
            break
        if argument == "--lang" and i + 1 < len(arguments):
            return [argument, arguments[i + 1], *arguments[:i], *arguments[i + 2 :]]
        if argument.startswith("--lang="):
            return [argument, *arguments[:i], *arguments[i + 1 :]]
    return arguments


def main() -> Any:
    """The console script."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
