"""docs/en/errors.md and docs/zh/errors.md from the catalogue of codes: `python -m tests.docs.errors_page`."""

from typing import Final

from primitives.catalogue import Language, explain
from primitives.codes import Code, code_text
from tests.docs.markdown import ROOT

_HEAD: Final[dict[Language, str]] = {
    "en": (
        "# Result codes\n\nMade from `primitives/catalogue.py` by `python -m tests.docs.errors_page`. "
        "A number is never given a second meaning.\n`hnchain explain CODE` says the same.\n"
    ),
    "zh": (
        "# 结果代码\n\n由 `python -m tests.docs.errors_page` 根据 `primitives/catalogue.py` 生成。"
        "编号一经使用，含义不变。\n`hnchain explain 代码 --lang zh` 给出同样的说明。\n"
    ),
}
_COLUMNS: Final[dict[Language, str]] = {
    "en": "| number | name | meaning | what to do |", "zh": "| 编号 | 名称 | 含义 | 处理办法 |",
}  # fmt: skip
_GROUPS: Final[dict[Language, dict[int, str]]] = {
    "en": {0: "Success", 1: "Envelope and node", 2: "Accounts", 3: "Amounts", 4: "Issuers", 5: "Orders and holds",
           6: "Settlement", 7: "Governance", 8: "Memo", 9: "Outside the rules"},
    "zh": {0: "成功", 1: "交易封装与节点", 2: "账户", 3: "金额", 4: "发行方", 5: "订单与预授权", 6: "清算",
           7: "治理", 8: "备注", 9: "规则之外"},
}  # fmt: skip


def errors_page(language: Language) -> str:
    """The whole page."""
    lines, group = [_HEAD[language]], -1
    for code in sorted(Code):
        if code // 1000 != group:
            group = code // 1000
            lines += [f"## {_GROUPS[language][group]}\n", _COLUMNS[language], "|---|---|---|---|"]
        entry = explain(code, language)
        lines.append(f"| {code_text(code)} | `{code.name}` | {entry.title} | {entry.fix} |")
        if code is max(c for c in Code if c // 1000 == group):
            lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    for each in ("en", "zh"):
        (ROOT / "docs" / each / "errors.md").write_text(errors_page(each), encoding="utf-8")
