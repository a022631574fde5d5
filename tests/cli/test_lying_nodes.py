"""Every kind of lie that a node can tell: named with what it said and what is proven, and never believed.

The liar is asked first, then an honest node; the answer must be the honest one. Alone, the liar gets no answer at all.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import rmtree
from typing import Any, NamedTuple

import pytest

from cli.main import run
from primitives.block import Header, header_digest
from primitives.certificate import Phase, build_certificate, verify_certificate, vote_bytes
from primitives.codec import decode_canonical, decoder
from primitives.genesis import genesis_text, validator_set
from primitives.json_form import from_plain, to_plain
from primitives.keys import verify
from primitives.light_client import Certified
from primitives.validators import ValidatorSet
from tests.chainnode.solo import text
from tests.cli.lying_node import Door, EpochTown, Plain, ask_town


class World(NamedTuple):
    town: EpochTown
    other: EpochTown  # another chain with the same people
    liar: Door
    honest: Door
    issued: str
    redeemed: str
    old: dict[str, Plain]  # true answers of an hour ago, by path without query


class Row(NamedTuple):
    """`on`: the answers whose path holds this text are changed; `lie` gets (world, true JSON or bytes)."""

    name: str
    command: tuple[str, ...]
    on: str
    lie: Callable[[World, Plain], Plain]
    kind: str = "lying"


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


def change(path: str, to: object) -> Callable[[World, Plain], Plain]:
    """The member at a dotted path becomes `to`, or `to(old)`."""

    def lie(world: World, truth: Plain) -> Plain:
        *way, last = [int(part) if part.lstrip("-").isdigit() else part for part in path.split(".")]
        at = truth
        for part in way:
            at = at[part]
        at[last] = to(at[last]) if callable(to) else to
        return truth

    return lie


def flipped(digits: str) -> str:
    """Hex with its last byte changed."""
    return digits[:-2] + f"{int(digits[-2:], 16) ^ 1:02x}"


def without(member: str) -> Callable[[World, Plain], Plain]:
    return lambda world, truth: {key: value for key, value in truth.items() if key != member}


def only(truth: Plain) -> Callable[[World, Plain], Plain]:
    return lambda world, _: truth


def forged(town: EpochTown, header: Header, epoch: int, members: ValidatorSet) -> dict[str, Plain]:
    """A certified header of the liar's making, signed by these members."""
    vote = vote_bytes(town.chain_id, epoch, members.hash, Phase.COMMIT, 9, header.height, header_digest(header))
    votes = {node: town.pens[members.key_of(node)].sign(vote) for node in members.nodes}
    made = build_certificate(Phase.COMMIT, epoch, 9, header.height, header_digest(header), votes, members.quorum)
    return {"headers": [to_plain(header)], "certificate": to_plain(made)}


def signed_by_old_keys(world: World, truth: Plain) -> Plain:
    """A new block in epoch 0, by the members of epoch 0, long after they closed it."""
    told = truth.get("proof", truth)
    header = from_plain(Header, told["certified"]["headers"][0])
    plain = {**to_plain(header), "epoch": 0, "valset_hash": validator_set(world.town.genesis).hash.hex(),
             "state_root": "11" * 32}  # fmt: skip
    told["certified"] = forged(world.town, from_plain(Header, plain), 0, validator_set(world.town.genesis))
    return truth


def other_members(world: World, truth: Plain) -> Plain:
    """A handover to the liar's own members: the header is the true one."""
    seats = truth["proof"]["handovers"][0]["seats"]
    seats[0] = {**seats[0], "vote_key": seats[1]["vote_key"]}
    return truth


def of_another_chain(path: str) -> Callable[[World, Plain], Plain]:
    return lambda world, _: json.loads(ask_town(world.other, "GET", path).body)


def raw_proof(world: World, id: str) -> bytes:
    return ask_town(world.town, "GET", f"/v1/transactions/{id}/proof").body


def altered_bytes(world: World, raw: bytes) -> bytes:
    at = len(raw) // 3
    return raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]


ACCOUNT = f"/v1/accounts/{text('u')}"
HISTORY = ACCOUNT + "/history"
BALANCE = ("wallet", "balance", text("u"))
EXPIRING = ("wallet", "expiring", text("u"))
NOBODY = ("wallet", "balance", text("w"))
LOG = ("wallet", "history", text("u"))
SUPPLY = ("audit", "supply")
VERIFY = ("audit", "verify")
SHOW = ("tx", "show", "REDEEMED")
SAVE = ("wallet", "receipt", "save", "REDEEMED", "--to", "r.hnproof")
CERTIFIED = "proof.certified"

ROWS = [
    Row("a balance", BALANCE, ACCOUNT, change("spendable", 99_999)),
    Row("a balance as text", BALANCE, ACCOUNT, change("spendable", "many")),
    Row("units of a class", BALANCE, ACCOUNT, change("by_class.hA.spendable", 1)),
    Row("no holds", BALANCE, ACCOUNT, change("open_holds", 7)),
    Row("a key of the account", BALANCE, ACCOUNT, change("keys.0.key", flipped)),
    Row("a member too many", BALANCE, ACCOUNT, lambda world, truth: truth | {"bonus": 5}),
    Row("a member too few", BALANCE, ACCOUNT, without("held")),
    Row("the moment", BALANCE, ACCOUNT, change("time_s", None)),
    Row("a lot", BALANCE, ACCOUNT, change("proof.records.1.value", flipped)),
    Row("no lots", BALANCE, ACCOUNT, change("proof.records.1.value", None)),
    Row("the value of a class", BALANCE, ACCOUNT, change("proof.records.2.value", flipped)),
    Row("a class left out", BALANCE, ACCOUNT, change("proof.records", lambda records: records[:2])),
    Row("a record under another key", BALANCE, ACCOUNT, change("proof.records.1.key", flipped)),
    Row("a record twice", BALANCE, ACCOUNT, change("proof.records", lambda records: [records[0], *records])),
    Row("a node of the tree", BALANCE, ACCOUNT, change("proof.nodes.0", flipped)),
    Row("a node that is not there", BALANCE, ACCOUNT, change("proof.records.0.path.0", 999)),
    Row("a state root", BALANCE, ACCOUNT, change(f"{CERTIFIED}.headers.0.state_root", flipped)),
    Row("a header's time", BALANCE, ACCOUNT, change(f"{CERTIFIED}.headers.0.time_ms", lambda ms: ms + 1000)),
    Row("no header", BALANCE, ACCOUNT, change(f"{CERTIFIED}.headers", [])),
    Row("a signature", BALANCE, ACCOUNT, change(f"{CERTIFIED}.certificate.signatures.0", flipped)),
    Row("one signature thrice", BALANCE, ACCOUNT,
        change(f"{CERTIFIED}.certificate.signatures", lambda found: found[:1] * 3)),
    Row("the signers", BALANCE, ACCOUNT, change(f"{CERTIFIED}.certificate.signers", lambda bits: bits << 1)),
    Row("too few signers", BALANCE, ACCOUNT, change(f"{CERTIFIED}.certificate.signers", 3)),
    Row("no certificate", BALANCE, ACCOUNT, change(f"{CERTIFIED}.certificate", None)),
    Row("a certificate of prepares", BALANCE, ACCOUNT, change(f"{CERTIFIED}.certificate.phase", 1)),
    Row("an old epoch's number", BALANCE, ACCOUNT, change(f"{CERTIFIED}.certificate.epoch", 0)),
    Row("an epoch to come", BALANCE, ACCOUNT, change(f"{CERTIFIED}.certificate.epoch", 9)),
    Row("a block by old keys", BALANCE, ACCOUNT, signed_by_old_keys),
    Row("other members", BALANCE, ACCOUNT, other_members),
    Row("a handover left out", BALANCE, ACCOUNT, change("proof.handovers", lambda found: found[1:])),
    Row("a handover's signature", BALANCE, ACCOUNT, change("proof.handovers.0.certificate.signatures.1", flipped)),
    Row("another chain's account", BALANCE, ACCOUNT, of_another_chain(f"{ACCOUNT}?proof=1")),
    Row("another chain", BALANCE, "/v1/genesis", lambda world, _: genesis_text(world.other.genesis)),
    Row("no proof", BALANCE, ACCOUNT, without("proof")),
    Row("half a proof", BALANCE, ACCOUNT, change("proof", {"format": 1})),
    Row("a proof of the wrong shape", BALANCE, ACCOUNT, change("proof", [1, 2, 3])),
    Row("half an answer", BALANCE, ACCOUNT, lambda world, truth: json.dumps(truth).encode()[:500]),
    Row("no JSON at all", BALANCE, ACCOUNT, only(b"\xff\xfe")),
    Row("a list", BALANCE, ACCOUNT, only([1])),
    Row("present as absent", BALANCE, ACCOUNT, lambda world, truth: (404, {"name": "ACCOUNT_UNKNOWN"})),
    Row("present as absent, with a true proof", BALANCE, ACCOUNT, lambda world, truth: (404, truth)),
    Row("present as absent, with another's absence", BALANCE, ACCOUNT, lambda world, truth: (
        404, json.loads(ask_town(world.town, "GET", f"/v1/accounts/{text('w')}?proof=1").body))),
    Row("absent as present", NOBODY, "/v1/accounts/", lambda world, truth: (
        200, json.loads(ask_town(world.town, "GET", f"{ACCOUNT}?proof=1").body))),
    Row("absent as present, with the proof of absence", NOBODY, "/v1/accounts/", lambda world, truth: (
        200, json.loads(ask_town(world.town, "GET", f"{ACCOUNT}?proof=1").body) | {"proof": truth["proof"]})),
    Row("when points expire", EXPIRING, ACCOUNT, change("proof.records.1.value", flipped)),
    Row("the balance of an hour ago", BALANCE, ACCOUNT, lambda world, _: world.old[ACCOUNT], "stale"),
    Row("the history of an hour ago", LOG, ACCOUNT, lambda world, _: world.old[HISTORY], "stale"),
    Row("not ready", BALANCE, ACCOUNT, lambda world, _: (503, {"detail": "catching up"}), "unproven"),
    Row("a receipt's code", LOG, HISTORY, change("items.0.code", "INSUFFICIENT")),
    Row("a receipt's event", LOG, HISTORY, change("items.0.events.0.units", 5)),
    Row("a receipt's time", LOG, HISTORY, change("items.0.time_ms", lambda ms: ms + 1)),
    Row("a receipt without proof", LOG, HISTORY, change("items.0.proof", None)),
    Row("a receipt's proof", LOG, HISTORY, change("items.0.proof", flipped)),
    Row("a proof that is no hex", LOG, HISTORY, change("items.0.proof", "zz")),
    Row("a receipt twice", LOG, HISTORY, change("items", lambda items: [items[0], *items])),
    Row("receipts in another order", LOG, HISTORY, change("items", lambda items: items[::-1])),
    Row("another's receipt", LOG, HISTORY, lambda world, truth: json.loads(
        ask_town(world.town, "GET", f"/v1/accounts/{text('v')}/history?proof=1").body)),
    Row("a receipt left out", LOG, HISTORY, change("items", lambda items: items[:1] + items[2:])),
    Row("an end that is none", LOG, HISTORY, change("items", lambda items: items[:1])),
    Row("no progress", LOG, HISTORY, change("next", "9999.0")),
    Row("a place that is none", LOG, HISTORY, change("next", "first")),
    Row("counters of a class", SUPPLY, "/v1/supply", change("supply.hA.issued", 1)),
    Row("counters in the proof", SUPPLY, "/v1/supply", change("proof.records.1.value", flipped)),
    Row("a class left out of the supply", SUPPLY, "/v1/supply", lambda world, truth: {
        "supply": {key: value for key, value in truth["supply"].items() if key != "hA"},
        "proof": truth["proof"] | {"records": truth["proof"]["records"][2:]}}),
    Row("a receipt of another transaction", SAVE, "/proof", lambda world, _: raw_proof(world, world.issued)),
    Row("a receipt file", SAVE, "/proof", altered_bytes),
    Row("half a receipt file", SAVE, "/proof", lambda world, raw: raw[: len(raw) // 2]),
    Row("no such transaction", SAVE, "/proof", lambda world, _: (404, {"name": "NOT_FOUND"}), "unproven"),
    Row("an outcome", SHOW, "/v1/transactions/", lambda world, truth:
        truth if isinstance(truth, bytes) else change("receipt.code", "INSUFFICIENT")(world, truth)),
    Row("a status", SHOW, "/v1/transactions/", lambda world, truth:
        truth if isinstance(truth, bytes) else truth | {"status": "rejected"}),
    Row("an unknown transaction", SHOW, "/v1/transactions/", lambda world, truth:
        truth if isinstance(truth, bytes) else truth | {"status": "unknown", "receipt": None}, "unproven"),
    Row("a height of 10^12", VERIFY, "/v1/status", change("height", 10**12)),
    Row("a height as text", VERIFY, "/v1/status", change("height", "high")),
    Row("a chain id", VERIFY, "/v1/status", change("chain_id", "00" * 32)),
    Row("a validator's key", VERIFY, "/v1/validators", change("members.1.vote_key", flipped)),
    Row("a validator left out", VERIFY, "/v1/validators", change("members", lambda members: members[1:])),
    Row("a quorum", VERIFY, "/v1/validators", change("quorum", 2)),
    Row("an epoch", VERIFY, "/v1/validators", change("epoch", 7)),
    Row("an old epoch", VERIFY, "/v1/validators", change("epoch", 1)),
    Row("no handovers", VERIFY, "/v1/handovers", change("handovers", None)),
    Row("a header", VERIFY, "/v1/headers", change("headers.1.header.proposer", 3)),
    Row("a header's height", VERIFY, "/v1/headers", change("headers.1.header.height", 77)),
    Row("a header's members", VERIFY, "/v1/headers", change("headers.1.header.valset_hash", flipped)),
    Row("the newest header", VERIFY, "/v1/certified", signed_by_old_keys),
]  # fmt: skip


@pytest.mark.pitfall(56, 62, 65)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
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
