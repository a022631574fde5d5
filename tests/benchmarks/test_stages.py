"""The stage table: every sample has one stage, and the stages add up to what the kernel counted."""

import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from benchmarks import stages_run
from benchmarks.stages import (
    OTHER,
    STAGES,
    StageTable,
    compiled_modules,
    frames_of,
    sampler,
    stage_of,
    stage_seconds,
    table_of,
)
from benchmarks.stages_run import Watched, text_of
from benchmarks.trial import Stand

ROOT = Path(__file__).resolve().parents[2]
MAIN = "thread (11): MainThread;run (chainnode/process.py:204);_run_once (asyncio/base_events.py:1922)"


def stage(*frames: str) -> str | None:
    return stage_of(frames_of(f"{MAIN};{';'.join(frames)} 1")[1])


def test_the_innermost_file_of_ours_decides() -> None:
    assert stage("begin (chainnode/execution_queue.py:90)", "root (ledger/state_tree.py:3)") == "tree"
    assert stage("step (chainnode/driver.py:9)", "vote (consensus/ordering.py:3)") == "consensus"
    assert stage("admit (chainnode/ingress.py:3)", "decode (primitives/codec.py:61)", "f (msgspec/x.py:1)") == "ingress"
    assert stage("apply (chainnode/link.py:7)", "write (asyncio/selector_events.py:1057)") == "links"
    assert stage("Handle._run (asyncio/events.py:80)") == "loop"


def test_rules_count_as_rules_only_while_a_block_is_executed() -> None:
    rule = "with_lots (points/issuing.py:230)"
    assert stage("execute (chainnode/executor.py:118)", rule) == "rules"
    assert stage("execute (chainnode/executor.py:118)") == "records"
    assert stage("execute (chainnode/executor.py:118)", rule, "get (chainnode/state_cache.py:29)") == "records"
    assert stage("look (chainnode/admissions.py:18)", rule) == "admission"


def test_waiting_is_no_work() -> None:
    assert stage("EpollSelector.select (selectors.py:468)") is None
    assert stage("_worker (concurrent/futures/thread.py:81)") is None
    assert stage_of([]) == OTHER


def test_stages_add_up_to_the_kernel_s_count_whatever_the_samples_say() -> None:
    lines = [
        f"{MAIN};execute (chainnode/executor.py:118) 30",
        f"{MAIN};EpollSelector.select (selectors.py:468) 500",
        f"{MAIN};sync (ledger/journal.py:3) 10",
        "thread (12): ledger_0;_worker (concurrent/futures/thread.py:81) 99",
        "",
    ]
    stages, samples = stage_seconds(lines, {11: 4.0, 12: 0.5, 13: 0.25})
    assert samples == 40
    assert stages == {"records": 3.0, "journal": 1.0, "loop": 0.5, "native": 0.25}
    found = table_of([(stages, samples), ({OTHER: 0.25}, 1)], transactions=1000, seconds=2.0)
    assert found.cpu_seconds == sum(share.seconds for share in found.shares) == 5.0
    assert sum(share.us for share in found.shares) == pytest.approx(2500)  # 5 s of two nodes, 1,000 transactions
    assert found.named == pytest.approx(0.95)
    text = text_of(Watched(found, 500.0, 64, 20.0))
    assert "2500.0" in text and "95.0%" in text
    assert "500 tx/s at 64 outstanding" in text
    assert "500 tx/s of 100 operations at 64" in text_of(Watched(found, 500.0, 64, 20.0, operations=100))


def test_envelopes_are_told_per_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table divides by what was committed while the nodes were watched: operations, whatever carried them."""
    asked: dict[str, object] = {}

    class Place:
        folder, tell = Path(), staticmethod(print)

        @contextmanager
        def network(self, validators: int, profile: str) -> Iterator[str]:
            asked.update(validators=validators, network=profile)
            yield "network"

    class Watch:
        window = (10.0, 12.0)

        def __init__(self, *told: object) -> None:
            asked["told"] = told

        def begin(self) -> None: ...

        def result(self, operations: int) -> tuple[StageTable, dict[str, int]]:
            asked["operations"] = operations
            return table_of([({"rules": 2.0}, 10)], operations, 2.0), {}

    def load(*told: object, **more: object) -> SimpleNamespace:
        asked.update(more)
        return SimpleNamespace(committed_per_s=5.0, operations_per_s=500.0, baseline=SimpleNamespace(us=20.0))

    monkeypatch.setattr(stages_run, "Watch", Watch)
    monkeypatch.setattr(stages_run, "load", load)
    found = stages_run.watched(cast(Stand, Place()), 3.0, 128, 4, "batch")
    assert asked["network"] == asked["profile"] == "batch"
    assert (asked["outstanding"], asked["operations"]) == (128, 1_000)
    assert [share.us for share in found.stages.shares if share.seconds] == [2_000.0]
    assert (found.committed_per_s, found.operations) == (5.0, 100)


def test_a_line_without_a_thread_is_refused() -> None:
    with pytest.raises(ValueError, match="no thread"):
        frames_of("main (cli/main.py:3) 7")


def test_every_file_of_a_stage_is_there() -> None:
    """A file that was renamed would else fall to "other" or to its caller, unnoticed."""
    ours = re.compile(r"^(chainnode|ledger|consensus|points)/")
    named = [file for stage in STAGES for file in stage.files if ours.match(file)]
    missing = [file for file in named if not (ROOT / f"{file}.py").exists() and not (ROOT / file).is_dir()]
    assert len(named) > 40 and missing == []


SO = "(hnchain__mypyc.cpython-311-x86_64-linux-gnu.so)"
COMPILED = {"state_tree": "ledger/state_tree", "transition": "points/transition", "executor": "chainnode/executor",
            "execution_queue": "chainnode/execution_queue", "segments": "ledger/segments"}  # fmt: skip


def native(*frames: str) -> str | None:
    return stage_of(frames_of(f"{MAIN};{';'.join(frames)} 1", COMPILED)[1])


def test_compiled_frames_are_named_by_their_symbols() -> None:
    begin = f"CPyDef_execution_queue___ExecutionQueue___begin {SO}"
    assert native(begin, f"CPyDef_state_tree___StateTree____into_twig {SO}", f"CPyDict_Get {SO}") == "tree"
    rule = f"CPyDef_transition____apply {SO}"
    execute = f"CPyDef_executor___Executor___apply {SO}"
    assert native(execute, rule, "malloc (libc.so.6)", "0x7f01 (libc.so.6)") == "rules"
    assert native("mpack_encode (msgspec/_core.cpython-311-x86_64-linux-gnu.so)") == "loop"
    assert native("EpollSelector.select (selectors.py:468)", "epoll_wait (libc.so.6)") is None
    lines = [f"{MAIN};EpollSelector.select (selectors.py:468);epoll_wait (libc.so.6) 7", f"{MAIN};{begin} 1"]
    assert stage_seconds(lines, {11: 2.0}, COMPILED) == ({"records": 2.0}, 1)


def test_only_a_compiled_build_has_compiled_modules(tmp_path: Path) -> None:
    (tmp_path / "ledger").mkdir()
    (tmp_path / "ledger" / "chain.py").touch()
    assert compiled_modules(tmp_path) == {}
    (tmp_path / "ledger" / "chain.cpython-311-x86_64-linux-gnu.so").touch()
    (tmp_path / "hnchain__mypyc.cpython-311-x86_64-linux-gnu.so").touch()
    assert compiled_modules(tmp_path) == {"chain": "ledger/chain"}
    assert "--native" in sampler(1, 5, 99, tmp_path, native=True)
    assert "--native" not in sampler(1, 5, 99, tmp_path, native=False)


def test_no_two_compiled_modules_have_one_name() -> None:
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    names = Counter(Path(module).stem for module in wheel["hooks"]["custom"]["modules"])
    assert len(names) > 40 and names.most_common(1)[0][1] == 1


def test_what_a_disk_is_asked_for_counts_for_who_asked() -> None:
    sync = "DiskFile.sync (ledger/disk.py:113)"
    assert stage("append (ledger/segments.py:90)", sync) == "ledger"
    assert stage("attempt (ledger/journal.py:202)", sync) == "journal"
