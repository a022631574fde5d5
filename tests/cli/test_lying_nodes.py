"""Every kind of lie that a node can tell: named with what it said and what is proven, and never believed.

The liar is asked first, then an honest node; the answer must be the honest one. Alone, the liar gets no answer at all.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest

from cli.main import run
from primitives.block import Header
from primitives.certificate import verify_certificate
from primitives.codec import decode_canonical, decoder
from primitives.genesis import genesis_text
from primitives.json_form import from_plain, to_plain
from primitives.keys import verify
from primitives.light_client import Certified
from tests.chainnode.solo import text
from tests.cli.lies import ACCOUNT, BALANCE, ROWS, Row, World, forged, signed_by_old_keys
from tests.cli.lying_node import Door, EpochTown, Plain, ask_town


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    town, other = EpochTown(), EpochTown("other")
    for place in (town, other):
        place.run(place.issue("o1"))
        place.run(place.issue("o2", merchant="B"))
    issued = town.run(town.issue("o3", to="v")).hex()
    town.node.flush()
    old = {path: json.loads(ask_town(town, "GET", path + "?proof=1").body)
           for path in (f"/v1/accounts/{text('u')}", f"/v1/accounts/{text('u')}/history")}  # fmt: skip
    town.advance(3600)
    town.swap("w1", "w4")
    redeemed = town.run(town.redeem("b1", 3000)).hex()
    town.swap("w2", "w5")
    town.run(town.issue("o4"))
    town.node.flush()
    other.node.flush()
    with Door(town).open() as liar, Door(town).open() as honest:
        yield World(town, other, liar, honest, issued, redeemed, old)


Ask = Callable[..., tuple[int, Any, str]]


@pytest.fixture
def ask(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Ask]:
    """Run a command as somebody who knows the chain id only; (exit code, JSON, stderr)."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HNCHAIN_HOME", str(home))
    monkeypatch.chdir(tmp_path)
    (home / "network.json").write_text(json.dumps(
        {"format": 1, "name": "test", "chain_id": world.town.chain_id.hex(), "nodes": [], "identities": {}}
    ))  # fmt: skip

    def act(*arguments: str, doors: tuple[Door, ...], fresh: bool = True) -> tuple[int, Any, str]:
        """`fresh`: with no memory of earlier commands."""
        capsys.readouterr()
        if fresh:
            rmtree(home / "trust", ignore_errors=True)
        nodes = [part for door in doors for part in ("--node", door.url)]
        code = run([*arguments, *nodes, "-o", "json"])
        captured = capsys.readouterr()
        return code, json.loads(captured.out) if captured.out else None, captured.err

    yield act
    world.liar.lie = None


@pytest.mark.pitfall(56, 62, 65)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name.replace(" ", "-"))
def test_a_lie_is_named_and_not_believed(row: Row, world: World, ask: Ask) -> None:
    arguments = [world.redeemed if part == "REDEEMED" else part for part in row.command]
    truth_code, truth, _ = ask(*arguments, doors=(world.honest,))
    Path("r.hnproof").unlink(missing_ok=True)
    world.liar.lie = lambda path, answer: row.lie(world, answer) if row.on in path else answer
    code, found, said = ask(*arguments, doors=(world.liar, world.honest))
    assert world.liar.asked, "the liar was asked"
    audits = arguments[0] == "audit"
    assert code == (1 if audits and row.kind == "lying" else truth_code), said
    if "distrusted" in found:
        assert [(one["node"], one["verdict"]) for one in found["distrusted"]] == [(world.liar.url, row.kind)]
    label = {"lying": "HN-9016 LYING NODE", "stale": "stale node", "unproven": "no proof from"}[row.kind]
    assert f"{label} {world.liar.url}" in said and world.honest.url not in said
    assert essence(found) == essence(truth)
    Path("r.hnproof").unlink(missing_ok=True)
    code, found, said = ask(*arguments, doors=(world.liar,))
    if row.kind == "lying" and row.name not in ALONE_UNNOTICED:
        assert (code, found["name"] if code and "name" in found else None) == (1, "LYING_NODE"), said
    elif row.kind == "unproven":
        assert code == 3, said


ALONE_UNNOTICED: frozenset[str] = frozenset(
    {"a receipt left out", "an end that is none", "a class left out of the supply"}
)  # only another node's answer shows it


def essence(plain: Any) -> Any:
    """An answer without who gave it."""
    return {key: value for key, value in plain.items() if key not in ("distrusted", "proven", "witnesses", "file")}


def submitted(world: World, ask: Ask, tmp_path: Path, raw: bytes, *more: str) -> tuple[int, Any, str]:
    path = tmp_path / "tx"
    path.write_bytes(raw)
    return ask("tx", "submit", str(path), *more, doors=(world.liar, world.honest))


def on_post(lie: Callable[[Plain], Plain]) -> Callable[[str, Plain], Plain]:
    return lambda path, truth: lie(truth) if path.startswith("/v1/transactions?") else truth


def test_a_lie_about_a_payment_is_found_by_its_proof(world: World, ask: Ask, tmp_path: Path) -> None:
    world.liar.lie = on_post(lambda truth: (409, {"name": "INSUFFICIENT", "receipt": truth | {
        "code": "INSUFFICIENT", "number": 3003, "status": "rejected"}}))  # fmt: skip
    code, receipt, said = submitted(world, ask, tmp_path, world.town.issue("paid"))
    assert (code, receipt["code"]) == (0, "OK") and f"LYING NODE {world.liar.url}" in said
    good = ask_town(world.town, "GET", f"/v1/transactions/{receipt['tx']}")
    world.liar.lie = on_post(lambda truth: (200, json.loads(good.body)["receipt"] | {"tx": truth["receipt"]["tx"]}))
    code, refused, said = submitted(world, ask, tmp_path, world.town.issue("too-much", units=10**9))
    assert (code, refused["name"]) == (1, "RESERVE_EXCEEDED") and f"LYING NODE {world.liar.url}" in said


def test_a_payment_that_was_swallowed_is_not_called_committed(world: World, ask: Ask, tmp_path: Path) -> None:
    elsewhere = world.other.issue("swallowed")
    world.liar.lie = on_post(lambda truth: (200, {"tx": "00" * 32, "code": "OK", "height": 1, "index": 0}))
    code, refused, said = submitted(world, ask, tmp_path, elsewhere)
    assert (code, refused["name"]) == (3, "OUTCOME_UNKNOWN"), said
    assert {one["verdict"] for one in refused["distrusted"]} == {"unproven"}
    assert submitted(world, ask, tmp_path, elsewhere, "--trust")[0] == 0, "the node's word was asked for"


def test_trust_is_kept_for_the_next_time_and_protects_against_the_past(world: World, ask: Ask, tmp_path: Path) -> None:
    """The stale answer that a newcomer takes for true is refused by who has seen a newer one (pitfall 65)."""
    world.liar.lie = lambda path, answer: world.old[ACCOUNT] if ACCOUNT in path else answer
    code, found, _ = ask(*BALANCE, doors=(world.liar,))
    assert code == 0 and found["proven"]["epoch"] == 0, "alone and new: nothing says that it is old"
    assert ask(*BALANCE, doors=(world.honest,), fresh=False)[1]["proven"]["epoch"] == 2
    (kept,) = (tmp_path / "home" / "trust").glob("*.trust")
    assert kept.stat().st_mode & 0o777 == 0o600 and kept.parent.stat().st_mode & 0o777 == 0o700
    before = kept.read_bytes()
    code, found, said = ask(*BALANCE, doors=(world.liar,), fresh=False)
    assert (code, found["name"], found["distrusted"][0]["verdict"]) == (3, "NOT_READY", "stale"), said
    world.liar.lie = lambda path, answer: signed_by_old_keys(world, answer) if ACCOUNT in path else answer
    code, found, said = ask(*BALANCE, doors=(world.liar,), fresh=False)
    assert (code, found["name"]) == (1, "LYING_NODE") and "epoch has the blocks" in said
    assert kept.read_bytes() == before
    assert not list(kept.parent.glob("*.new"))


def test_a_damaged_memory_is_named_and_never_overwritten(world: World, ask: Ask, tmp_path: Path) -> None:
    ask(*BALANCE, doors=(world.honest,))
    (kept,) = (tmp_path / "home" / "trust").glob("*.trust")
    kept.write_bytes(kept.read_bytes()[:-7])
    code, found, _ = ask(*BALANCE, doors=(world.honest,), fresh=False)
    assert (code, found["name"]) == (2, "USAGE") and str(kept) in found["detail"]


def test_a_fork_stops_everything_and_keeps_the_evidence(world: World, ask: Ask, tmp_path: Path) -> None:
    """More than f members signed two blocks of one height: no answer is chosen, both are kept."""
    ask(*BALANCE, doors=(world.honest,))

    def fork(path: str, answer: Plain) -> Plain:
        if ACCOUNT not in path:
            return answer
        header = from_plain(Header, answer["proof"]["certified"]["headers"][0])
        plain = {**to_plain(header), "state_root": "22" * 32}
        answer["proof"]["certified"] = forged(world.town, from_plain(Header, plain), 2, world.town.members)
        return answer

    world.liar.lie = fork
    code, found, said = ask(*BALANCE, doors=(world.honest, world.liar), fresh=False)
    assert (code, found["name"]) == (1, "LYING_NODE") and "FORK ALARM" in found["detail"], said
    known, other = decode_canonical(decoder(tuple[Certified, Certified]), Path(found["evidence"]).read_bytes())
    assert known.headers[0].height == other.headers[0].height and known != other
    for certified in (known, other):
        assert certified.certificate is not None
        assert verify_certificate(certified.certificate, world.town.chain_id, world.town.members, verify)


def test_silent_and_unreachable_nodes_are_passed_over(world: World, ask: Ask) -> None:
    closed = Door(world.town)
    with closed.open():
        pass
    code, found, said = ask(*BALANCE, doors=(closed, world.honest))
    assert code == 0 and not found["distrusted"] and closed.url not in said
    assert ask(*BALANCE, doors=(closed,))[0] == 4


def test_without_a_network_file_the_first_chain_is_taken_aloud(world: World, ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "home" / "network.json").unlink()
    code, found, said = ask(*BALANCE, doors=(world.honest,))
    assert code == 0 and found["proven"]["epoch"] == 2
    assert world.town.chain_id.hex()[:16] in said
    genesis = tmp_path / "other.json"
    genesis.write_bytes(genesis_text(world.other.genesis))
    code, found, _ = ask(*BALANCE, "--genesis", str(genesis), doors=(world.honest,))
    assert (code, found["name"]) == (1, "LYING_NODE"), "what the file says counts, not the node"


def test_who_asks_for_no_check_gets_none(world: World, ask: Ask) -> None:
    world.liar.lie = lambda path, answer: answer | {"spendable": 99_999} if ACCOUNT in path else answer
    code, found, _ = ask(*BALANCE, "--trust", doors=(world.liar,))
    assert code == 0 and found["spendable"] == 99_999 and "proven" not in found


def test_a_receipt_file_of_any_epoch_verifies_offline(world: World, ask: Ask, tmp_path: Path) -> None:
    genesis = tmp_path / "genesis.json"
    genesis.write_bytes(genesis_text(world.town.genesis))
    for name, epoch in ((world.issued, 0), (world.redeemed, 1)):
        path = tmp_path / f"{name[:8]}.hnproof"
        assert ask("wallet", "receipt", "save", name, "--to", str(path), doors=(world.honest,))[0] == 0
        code, found, _ = ask("wallet", "receipt", "verify", str(path), "--genesis", str(genesis), doors=())
        assert (code, found["receipt"]["tx"], found["epoch"], found["members"]) == (0, name, epoch, 4)
