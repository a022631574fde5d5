"""Click's own words in Chinese, and the catalogue file that gettext reads them from.

    python -m cli.click_texts        writes cli/locale/zh/LC_MESSAGES/messages.mo
"""

import struct
from pathlib import Path
from typing import Final

CATALOGUE: Final = Path(__file__).parent / "locale" / "zh" / "LC_MESSAGES" / "messages.mo"
_MAGIC: Final = 0x950412DE
_HEADER_BYTES: Final = 28
CHINESE: Final = {
    "": "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=1; plural=0;\n",
    "Usage:": "用法：",
    "Options": "选项",
    "Commands": "命令",
    "Arguments": "参数",
    "Error: {message}": "错误：{message}",
    "Usage: ": "用法：",
    "Show this message and exit.": "显示本帮助并退出。",
    "Try '{command} {option}' for help.": "请用“{command} {option}”查看帮助。",
    "No such option: {name}": "没有此选项：{name}",
    "No such option {name!r}.": "没有此选项：{name!r}。",
    "No such command {name!r}.": "没有此命令：{name!r}。",
    "Missing command.": "缺少命令。",
    "Missing argument": "缺少参数",
    "Missing option": "缺少选项",
    "Missing parameter": "缺少参数",
    "Missing {param_type}": "缺少 {param_type}",
    "Invalid value: {message}": "无效的值：{message}",
    "Invalid value for {param_hint}: {message}": "{param_hint} 的值无效：{message}",
    "{value!r} is not a valid {number_type}.": "{value!r} 不是有效的 {number_type}。",
    "{value} is not in the range {range}.": "{value} 不在范围 {range} 内。",
    "Option {name!r} requires an argument.": "选项 {name!r} 需要一个参数。",
    "Option {name!r} does not take a value.": "选项 {name!r} 不带参数。",
    "(Possible options: {possibilities})": "（可选：{possibilities}）",
    "Did you mean {possibility}?": "是否想用 {possibility}？",
    "default: {default}": "默认：{default}",
    "required": "必填",
    "Aborted!": "已中止！",
    "Repeat for confirmation": "请再次输入以确认",
    "Error: The two entered values do not match.": "错误：两次输入不一致。",
    "{name} {filename!r} does not exist.": "{name} {filename!r} 不存在。",
    "Could not open file {filename!r}: {message}": "无法打开文件 {filename!r}：{message}",
    "File": "文件",
    "Path": "路径",
}


def catalogue_bytes(texts: dict[str, str]) -> bytes:
    """The binary form that gettext reads: two sorted tables of (length, offset), then the texts."""
    pairs = sorted((original.encode(), translated.encode()) for original, translated in texts.items())
    count = len(pairs)
    offset = _HEADER_BYTES + 16 * count
    tables, body = [b"", b""], b""
    for column in (0, 1):
        for pair in pairs:
            tables[column] += struct.pack("<II", len(pair[column]), offset + len(body))
            body += pair[column] + b"\x00"
    header = struct.pack("<7I", _MAGIC, 0, count, _HEADER_BYTES, _HEADER_BYTES + 8 * count, 0, 0)
    return header + tables[0] + tables[1] + body


if __name__ == "__main__":
    CATALOGUE.parent.mkdir(parents=True, exist_ok=True)
    CATALOGUE.write_bytes(catalogue_bytes(CHINESE))
