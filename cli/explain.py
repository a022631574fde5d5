"""`explain CODE`, `version`, `completion`: answers that need nothing but this program."""

import click

from cli.language import current, example, t
from cli.main import VERSION
from cli.output import answer, pairs, table, with_output
from cli.verdicts import usage
from primitives.catalogue import explain as explain_code
from primitives.codes import Code, code_text


@click.command(help=t("What a result code means and what to do; without CODE, all of them.",
                      "说明结果代码的含义与处理办法；不带参数则列出全部。"),
               epilog=example("hnchain explain HN-3003"))  # fmt: skip
@click.argument("code", required=False)
@with_output
def explain(code: str | None) -> None:
    chosen = list(Code) if code is None else [parse_code(code)]
    entries = [(item, explain_code(item, current())) for item in chosen]
    plain = [{"code": code_text(item), "name": item.name, "title": e.title, "fix": e.fix} for item, e in entries]
    if code is None:
        rows = [(item["code"], item["name"], item["title"]) for item in plain]
        answer(plain, table((t("code", "代码"), t("name", "名称"), t("meaning", "含义")), rows))
        return
    one = plain[0]
    answer(one, f"{one['code']} {one['name']}\n{one['title']}\n{t('fix', '处理')}: {one['fix']}")


def parse_code(text: str) -> Code:
    """The code of HN-3003, 3003 or INSUFFICIENT; Refusal (exit 2) otherwise."""
    bare = text.upper().removeprefix("HN-")
    if bare in Code.__members__:
        return Code[bare]
    if bare.isdigit() and int(bare) in {int(code) for code in Code}:
        return Code(int(bare))
    raise usage(t(f"no such code: {text!r}", f"没有此代码：{text!r}"), "hnchain explain")


@click.command(help=t("Version, Python and the formats that this release reads.", "版本、Python 与支持的格式。"),
               epilog=example("hnchain version -o json"))  # fmt: skip
@with_output
def version() -> None:
    import platform

    from chainnode.code_form import CODE_FORM
    from primitives.genesis import FORMAT
    from primitives.proof import PROOF_FORMAT

    plain = {"version": VERSION, "python": platform.python_version(), "platform": platform.platform(),
             "code": CODE_FORM, "genesis_format": FORMAT, "proof_format": PROOF_FORMAT}  # fmt: skip
    answer(plain, f"hnchain {VERSION}\n" + pairs([(key, value) for key, value in plain.items() if key != "version"]))


@click.command(help=t("Print the completion script of a shell.", "输出命令补全脚本。"),
               epilog=example('eval "$(hnchain completion bash)"'))  # fmt: skip
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    from click.shell_completion import get_completion_class

    from cli.main import build

    found = get_completion_class(shell)
    assert found is not None, "click knows these three shells"
    click.echo(found(build(), {}, "hnchain", "_HNCHAIN_COMPLETE").source())
