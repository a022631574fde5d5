"""The codes of an auditor's files, in Chinese and English."""

from typing import Final

from primitives.codes import Code

AUDIT: Final[dict[Code, tuple[str, str, str, str]]] = {  # zh title, zh fix, en title, en fix
    Code.BAD_BUNDLE: ("证据包不完整，或其中内容已被改动。", "向出具方重新索取；不要采信其中任何一项。",
                      "The evidence bundle is incomplete, or something in it was changed.",
                      "Ask whoever made it for a new one; believe nothing of this one."),
    Code.EXPORT_MISSING: ("未安装 Parquet 导出所需的组件。", "安装 hnchain[export]，或改用 --format csv / json。",
                          "What writes Parquet files is not installed.",
                          "Install hnchain[export], or use --format csv or json."),
}  # fmt: skip
