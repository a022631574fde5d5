"""The stand for large states executes what a node executes, and leaves a folder with which a node starts."""

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from benchmarks import lone_node, scale
from benchmarks.crowd import Crowd
from benchmarks.lone_node import LoneNode
from benchmarks.long_chain import copy, long_chain, start
from benchmarks.scale_command import scale as command
from chainnode.executor import Executor
from chainnode.record_view import RecordView
from ledger.data_directory import open_data_directory
from ledger.failures import LedgerDamaged
from points.invariants import violations
from primitives.genesis import chain_id
from tests.ledger.bound_of_tables import AskedStore


def test_what_is_filled_in_and_paid_keeps_the_invariants_and_opens_again(tmp_path: Path) -> None:
    crowd = Crowd(37)
    node = LoneNode(tmp_path / "n", crowd.genesis)
    for changes in crowd.state(10):
        node.fill(changes)
    for _ in range(3):
        offered = node.offer(crowd.block(70, node.now_s))
        execution = node.execute(offered)
        assert [r.code for r in execution.receipts if r is not None] == [0] * 70
        node.commit(offered, execution)
    assert violations(RecordView(node.chain.state()), node.now_s) == []
    root = node.chain.head.state_root
    node.close()
    data = open_data_directory(tmp_path / "n", crowd.genesis)
    assert Executor(data.chain, data.tree, chain_id(crowd.genesis)).state_root(data.chain.head.height) == root
    data.close()


def test_a_process_starts_on_the_long_chain(tmp_path: Path) -> None:
    long_chain(tmp_path / "chain", 12)
    found = start(tmp_path / "chain", starts=1)
    assert found.blocks == 12
    assert len(found.total_s) == 1
    assert found.total_s[0] > found.open_s[0] > 0


def test_a_snapshot_is_loaded_with_every_check(tmp_path: Path) -> None:
    crowd = Crowd(200)
    node = LoneNode(tmp_path / "n", crowd.genesis, durable=False)
    for changes in crowd.state(50):
        node.fill(changes)
    offered = node.offer(crowd.block(5, node.now_s))
    node.commit(offered, node.execute(offered))
    found = copy(node, tmp_path, 200)
    assert found.octets > 200 * 100
    node.close()


def test_the_command_prints_and_keeps_the_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale, "ROUND_BLOCKS", 1)
    report = tmp_path / "scale.json"
    arguments = ["--accounts", "60", "--accounts", "20", "--blocks", "3", "--rounds", "2", "--report", str(report)]
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 0, done.output
    found = msgspec.json.decode(report.read_bytes(), type=scale.Scale)
    assert [one.accounts for one in found.borne.carried] == [20, 60]
    assert found.borne.copied is not None
    assert found.started is not None
    assert found.borne.carried[0].bytes_written["index"] > 40
    assert found.borne.carried[0].segment_bytes > 300
    assert "3" in done.output


def test_the_bound_of_what_is_mapped_reaches_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = AskedStore()
    monkeypatch.setattr(lone_node, "LazyStore", store)
    with pytest.raises(LedgerDamaged):
        scale.measure([10], 0, 1, folder=tmp_path, mapped_mib=2000)
    assert store.asked == [2000]
