"""What the pages claim: links lead somewhere, scripts work, numbers have a source, both languages say the same."""

import os
import re
import signal
import socket
import stat
import subprocess
import sys
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import get_args

import pytest

from chainnode.admin_server import admin_routes
from chainnode.api import ROUTES
from chainnode.config import AdminSection, HttpSection, IngressSection, NodeConfig, PeerSection
from chainnode.peer_messages import BatchBytes
from chainnode.wire import CLASS_OF, PAYLOAD_MAX, FrameClass
from cli.verdicts import Verdict
from primitives.codes import Code
from primitives.kinds import BatchOperations, Operation
from tests.code_under_test import FOLDER
from tests.docs.errors_page import errors_page
from tests.docs.markdown import LANGUAGES, ROOT, blocks, broken_links, measures_without_source, pages, prose, twin

BASES = range(12_000, 32_600, 100)  # below the ports that outgoing connections take
SCRIPT_SECONDS = 240
ROOMS = "primitives|points|ledger|consensus|chainnode|cli|tests|simulation|integration"


def relative(page: Path) -> str:
    return str(page.relative_to(ROOT))


def test_there_are_pages() -> None:
    assert len(pages()) > 10, "the other tests would pass for nothing"


@pytest.mark.parametrize("page", pages(), ids=relative)
def test_links_lead_somewhere(page: Path) -> None:
    assert not list(broken_links(page))


@pytest.mark.parametrize("page", pages(), ids=relative)
def test_a_measured_number_names_the_command_that_prints_it(page: Path) -> None:
    assert not measures_without_source(prose(page))


def test_the_number_check_sees_a_number_without_a_source() -> None:
    assert measures_without_source("It does 1,200 tx/s.") == ["1,200 tx/s"]
    assert not measures_without_source("`hnchain bench run` prints 1,200 tx/s.")
    assert measures_without_source("- a: 3 ms\n- b: `make micro` says 4 us") == ["3 ms"]


@pytest.mark.parametrize("page", [page for page in pages() if twin(page)], ids=relative)
def test_both_languages_have_the_page_with_the_same_blocks(page: Path) -> None:
    chinese = twin(page)
    assert chinese is not None and chinese.is_file(), f"{chinese} is missing"
    assert [b for b in blocks(chinese) if b.run or b.file] == [b for b in blocks(page) if b.run or b.file]


def test_no_chinese_page_stands_alone() -> None:
    assert {p.name for p in (ROOT / "docs/zh").iterdir()} == {p.name for p in (ROOT / "docs/en").iterdir()}


def free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_base() -> int:
    start = os.getpid() * 7 % len(BASES)  # runs side by side begin their search apart
    for base in (*BASES[start:], *BASES[:start]):
        if all(free(base + 10 * node + offset) for node in range(4) for offset in range(4)):
            return base
    raise AssertionError("no free ports for a network")


def write_commands(folder: Path, base: int) -> None:
    """`hnchain` and `python3` as the pages write them; only the ports of a new network are not the default ones."""
    scripts = {
        "hnchain": f'[ "$1 $2" = "devnet up" ] && set -- "$@" --port-base {base}\n'
                   f'PYTHONPATH="{FOLDER}" exec "{sys.executable}" -m cli.main "$@"\n',
        "python3": f'exec "{sys.executable}" "$@"\n',
    }  # fmt: skip
    for name, text in scripts.items():
        (folder / name).write_text("#!/bin/sh\n" + text, encoding="utf-8")
        (folder / name).chmod(stat.S_IRWXU)


RUNNABLE = [page for page in pages() if any(b.run for b in blocks(page)) and (twin(page) or "adr" in page.parts)]


def test_the_readme_is_run() -> None:
    assert ROOT / "README.md" in RUNNABLE


@pytest.mark.timeout(SCRIPT_SECONDS + 60)
@pytest.mark.parametrize("page", RUNNABLE, ids=relative)
def test_scripts_work(page: Path, tmp_path: Path) -> None:
    """All scripts of a page, one after the other in one shell; the first command that fails, fails the page."""
    commands, work = tmp_path / "bin", tmp_path / "work"
    commands.mkdir()
    work.mkdir()
    base = free_base()
    write_commands(commands, base)
    for block in blocks(page):
        if block.file:
            (work / block.file).write_text(block.text, encoding="utf-8")
    script = "set -euo pipefail\n" + "\n".join(block.text for block in blocks(page) if block.run)
    environment = {
        **os.environ, "PATH": f"{commands}:{os.environ['PATH']}", "HNCHAIN_HOME": str(tmp_path / "home"),
        "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "BASE": str(base),
    }  # fmt: skip
    log = tmp_path / "output"
    with open(log, "wb") as output:
        shell = subprocess.Popen(
            ["bash", "-xc", script], cwd=work, env=environment, stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        assert shell.wait(SCRIPT_SECONDS) == 0, log.read_text(encoding="utf-8")[-8_000:]
    finally:
        with suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)  # what a page that failed left in the background
        shell.wait()
        if (work / ".devnet").is_dir():  # the page stops its network itself; this is for a page that failed
            subprocess.run([commands / "hnchain", "devnet", "down"], cwd=work, env=environment, check=False,
                           capture_output=True)  # fmt: skip


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_http_page_lists_exactly_the_routes(language: str) -> None:
    text = (ROOT / "docs" / language / "http.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `((?:GET|POST) /[^`]*)` \|", text, re.M)
    assert sorted(listed) == sorted(f"{r.method} {r.path}" for r in (*ROUTES, *admin_routes(bytes(32))))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_operations_page_knows_every_setting_metric_and_exit_code(language: str) -> None:
    text = (ROOT / "docs" / language / "operations.md").read_text(encoding="utf-8")
    sections = {"peer": PeerSection, "http": HttpSection, "admin": AdminSection, "ingress": IngressSection}
    names = [f for f in NodeConfig.__struct_fields__ if f not in (*sections, "directory")]
    names += [f"{title}.{field}" for title, section in sections.items() for field in section.__struct_fields__]
    metrics = re.findall(r'"(hn_\w+)"', (ROOT / "chainnode/metrics.py").read_text(encoding="utf-8"))
    missing = [name for name in (*names, *metrics) if f"`{name}`" not in text]
    missing += [str(int(verdict)) for verdict in Verdict if f"\n| {int(verdict)} |" not in text]
    assert not missing
    assert set(re.findall(r"`(hn_\w+)`", text)) == set(metrics)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_wire_page_names_every_class_and_message(language: str) -> None:
    text = (ROOT / "docs" / language / "wire.md").read_text(encoding="utf-8")
    for message, frame_class in CLASS_OF.items():
        if message is not BatchBytes:
            row = next(line for line in text.splitlines() if line.startswith(f"| {frame_class.value} |"))
            assert f"{message.__name__} ({message.__struct_config__.tag})" in row
    for frame_class, limit in PAYLOAD_MAX.items():
        size = f"{limit // 1024} KiB" if limit < 1 << 20 else f"{limit >> 20} MiB"
        assert re.search(rf"^\| {int(frame_class)} \| {FrameClass(frame_class).name} \| {size} \|", text, re.M)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_files_that_the_pages_name_are_there(language: str) -> None:
    missing = []
    for page in ROOT.glob(f"docs/{language}/*.md"):
        for name in re.findall(rf"`((?:{ROOMS})/[\w/]+(?:\.py)?)`", prose(page)):
            if not (ROOT / name).exists() and not (ROOT / "tests" / name).exists():
                missing.append(f"{page.name}: {name}")
    assert not missing


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_protocol_page_states_every_rule_once_and_its_tests_exist(language: str) -> None:
    text = (ROOT / "docs" / language / "protocol.md").read_text(encoding="utf-8")
    rules = [f"S{i}" for i in range(13)] + [f"L{i}" for i in range(1, 9)] + [f"C{i}" for i in range(1, 18)]
    assert re.findall(r"^\| ([SLC]\d+) \|", text, re.M) == rules
    for path in re.findall(r"`((?:consensus|simulation|integration)/test_\w+\.py)`", text):
        assert (ROOT / "tests" / path).is_file(), path


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_errors_page_is_current(language: str) -> None:
    page = ROOT / "docs" / language / "errors.md"
    assert page.read_text(encoding="utf-8") == errors_page(language), "run python -m tests.docs.errors_page"


def test_every_decision_is_listed_and_every_dependency_has_its_reason() -> None:
    folder = ROOT / "docs" / "adr"
    index = (folder / "README.md").read_text(encoding="utf-8")
    files = {path.name for path in folder.glob("0*.md")}
    assert set(re.findall(r"\((0[\w-]+\.md)\)", index)) == files
    reasons = next(folder.glob("0011-*.md")).read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["dependencies"] + [item for extra in project["optional-dependencies"].values() for item in extra]
    assert not [name for item in wanted if f"`{(name := re.split(r'[<>=!~]', item)[0])}`" not in reasons]


def precedence(language: str) -> dict[str, list[str]]:
    """Row by row of the precedence table: the kinds, and the codes in order."""
    text = (ROOT / "docs" / language / "points.md").read_text(encoding="utf-8")
    section = text[text.index("\n## 3.") : text.index("\n## 4.")]
    names = {code.name for code in Code}
    rows = re.findall(r"^\| ([a-z_]+(?:, [a-z_]+)*) \| (.*) \|$", section, re.M)
    return {kinds: [word for word in re.findall(r"[A-Z_]{4,}", codes) if word in names] for kinds, codes in rows}


def test_both_points_pages_give_every_kind_the_same_codes_in_the_same_order() -> None:
    english = precedence("en")
    english.pop("kind", None)
    listed = {kind for kinds in english for kind in kinds.split(", ")}
    bodies = [*get_args(Operation), BatchOperations]
    assert listed == {str(body.__struct_config__.tag) for body in bodies}
    assert precedence("zh") == english
