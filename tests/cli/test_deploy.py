"""The files of deploy/ name only what exists: metrics, exit codes, the command."""

import json
import re
import tomllib
from pathlib import Path

from chainnode import metrics
from cli.verdicts import Verdict

ROOT = Path(__file__).resolve().parents[2]
SUFFIXES = ("_total", "_bucket", "_sum", "_count")


def named_metrics(text: str) -> set[str]:
    found = set()
    for name in re.findall(r"\bhn_[a-z_]+", text):
        suffix = next((s for s in SUFFIXES if name.endswith(s)), "")
        found.add(name.removesuffix(suffix))
    return found


def test_every_metric_in_alerts_and_dashboard_exists() -> None:
    source = Path(metrics.__file__).read_text(encoding="utf-8")
    for file in ("alerts.yml", "grafana.json"):
        names = named_metrics((ROOT / "deploy" / file).read_text(encoding="utf-8"))
        assert names, file
        assert [name for name in sorted(names) if f'"{name}"' not in source] == [], file


def test_the_dashboard_is_json_with_distinct_panels() -> None:
    panels = json.loads((ROOT / "deploy" / "grafana.json").read_text(encoding="utf-8"))["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) >= 8


def test_the_unit_does_not_restart_what_a_restart_cannot_help() -> None:
    unit = (ROOT / "deploy" / "hnchain-node@.service").read_text(encoding="utf-8")
    line = next(line for line in unit.splitlines() if line.startswith("RestartPreventExitStatus="))
    codes = {int(code) for code in line.partition("=")[2].split()}
    assert codes == {Verdict.USAGE, Verdict.DAMAGED, Verdict.DISK_FULL}
    assert "hnchain node run --config" in unit


def test_the_command_is_the_one_of_the_project_file() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["scripts"]["hnchain"] == "cli.main:main"
