"""`hnchain bench`: the load generator and the micro benchmarks live in their own package."""

import importlib
from typing import cast

import click

from cli.language import t
from cli.verdicts import usage

try:
    bench: click.Command = cast(click.Command, importlib.import_module("benchmarks.command").bench)
except ModuleNotFoundError as error:
    raise usage(t(f"benchmarks are not installed ({error.name})", f"未安装基准测试组件（{error.name}）"),
                "pip install 'hnchain[node,bench]'") from error  # fmt: skip
