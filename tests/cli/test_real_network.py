"""The command against four real nodes: every journey of a merchant and a tourist, then killing, proving, auditing."""

import json
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chainnode.devnet import open_devnet
from chainnode.devnet_layout import place_on
from chainnode.listening_ports import free_ports
from cli.devnet import make
from cli.main import run
from cli.network import read_genesis
from ledger.leveldb import LevelDbStore
from primitives.codec import Malformed
from primitives.proof import verify_receipt_proof

Ask = Callable[..., Any]


def becomes_true(condition: Callable[[], bool], seconds: float) -> bool:
    """Within so many seconds; nothing announces it."""
    deadline = time.monotonic() + seconds
    while not (held := condition()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return held


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A running network; `devnet up` on its folder starts it."""
    directory = tmp_path_factory.mktemp("real") / "net"
    network = make(directory, place_on(free_ports(16)), bytes(range(32)), test_clock=True)
    try:
        assert run(["devnet", "up", "-d", "--dir", str(directory), "-o", "json"]) == 0
        yield directory
    finally:
        network.stop()
        for place in network.places:
            network.signal(place, signal.SIGKILL)


@pytest.fixture
def ask(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Ask:
    """Run a command with -o json; its answer. The exit code must be `code`."""
    monkeypatch.setenv("HNCHAIN_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)

    def act(*arguments: str, code: int = 0, devnet: bool = True) -> Any:
        capsys.readouterr()
        where = ["--devnet", str(folder)] if devnet else []
        found = run([*arguments, *where, "-o", "json"])
        captured = capsys.readouterr()
        assert found == code, captured.out + captured.err
        return json.loads(captured.out) if captured.out else None

    return act


def spendable(ask: Ask, name: str) -> int:
    return int(ask("wallet", "balance", name)["spendable"])


def event(receipt: Any, kind: str) -> Any:
    return next(item for item in receipt["events"] if item["kind"] == kind)


def issue(ask: Ask, order: str, units: int, to: str = "alice") -> Any:
    cash = str(units * 10)
    return ask("merchant", "issue", "--class", "hotel", "--to", to, "--units", str(units), "--order", order,
               "--cash", cash, "--as", "hotel")  # fmt: skip


def test_a_payment_by_request_and_by_code(ask: Ask, folder: Path, tmp_path: Path) -> None:
    issue(ask, "pay-1", 10_000)
    before = spendable(ask, "alice")
    request = ask("merchant", "request", "--order", "R-1", "--value", "3000", "--as", "seafood")
    path = tmp_path / "r.json"
    path.write_text(json.dumps(request))
    proof = tmp_path / "paid.hnproof"
    first = ask("wallet", "pay", str(path), "--as", "alice", "--receipt", str(proof))
    ask("wallet", "receipt", "verify", str(proof), "--genesis", str(folder / "genesis.json"), devnet=False)
    again = ask("wallet", "pay", request["qr"], "--as", "alice")
    assert (first["code"], again["code"]) == ("OK", "OK_DUPLICATE")
    assert again["first"]["tx"] == first["tx"]
    code = ask("wallet", "code", "--max", "1000", "--merchant", "museum", "--as", "alice")["qr"]
    ask("merchant", "charge", code, "--value", "600", "--order", "C-1", "--as", "museum")
    refused = ask("merchant", "charge", code, "--value", "600", "--order", "C-2", "--as", "museum", code=1)
    assert refused["name"] == "TOKEN_USED"
    assert spendable(ask, "alice") == before - 3600
    ask("merchant", "refund", "--order", "R-1", "--refund-id", "1", "--value", "1000", "--as", "seafood")
    assert spendable(ask, "alice") == before - 2600


def test_a_static_code_needs_a_value(ask: Ask) -> None:
    issue(ask, "static-1", 1_000)
    request = ask("merchant", "request", "--as", "seafood")["qr"]
    ask("wallet", "pay", request, "--as", "alice", code=2)
    assert ask("wallet", "pay", request, "--value", "40", "--as", "alice")["code"] == "OK"


def test_a_deposit(ask: Ask) -> None:
    issue(ask, "hold-1", 2_000)
    before = spendable(ask, "alice")
    hold = event(ask("wallet", "authorize", "bus", "800", "--ttl", "2d", "--as", "alice"), "HoldOpened")["hold"]
    assert spendable(ask, "alice") == before - 800
    too_much = ask("merchant", "capture", hold, "--value", "801", "--order", "H-1", "--as", "bus", code=1)
    assert too_much["name"] == "CAPTURE_EXCEEDS_HOLD"
    ask("merchant", "capture", hold, "--value", "500", "--order", "H-1", "--as", "bus")
    closed = ask("merchant", "void", hold, "--as", "bus", code=1)
    assert (closed["name"], closed["detail"]) == ("HOLD_NOT_OPEN", "CAPTURED")
    assert spendable(ask, "alice") == before - 500


def test_classes_exchange_and_reversal(ask: Ask) -> None:
    ask("merchant", "class", "create", "show", "--uv", "5000", "--validity", "30d", "--as", "museum")
    issue(ask, "exchange-1", 1_000)
    quote = ask("wallet", "exchange", "hotel", "1000", "show", "--quote", "--as", "alice")
    done = event(ask("wallet", "exchange", "hotel", "1000", "show", "--as", "alice"), "Exchanged")
    assert (quote["out"], done["out"]) == (1980, 1980)
    issue(ask, "reverse-1", 700)
    ask("merchant", "reverse", "reverse-1", "700", "--as", "hotel")
    ask("merchant", "class", "retire", "show", "--as", "museum")
    supply = ask("audit", "supply")
    assert supply["show"]["outstanding"] == 1980
    assert ask("wallet", "expiring", "alice")["items"]
    assert ask("wallet", "history", "alice")["items"][0]["kind"]


def test_paying_where_there_is_no_network(ask: Ask) -> None:
    issue(ask, "offline-1", 2_000)
    before = spendable(ask, "alice")
    opened = event(ask("wallet", "escrow", "bus", "800", "--ttl", "10h", "--as", "alice"), "HoldOpened")
    show = ("wallet", "offline-code", "bus", "--max", "500", "--until", str(opened["expires_at"]), "--as", "alice")
    shown = [ask(*show)["qr"] for _ in range(2)]
    ask("merchant", "charge", shown[0], "--value", "450", "--order", "F-1", "--as", "bus")
    refused = ask("merchant", "charge", shown[1], "--value", "351", "--order", "F-2", "--as", "bus", code=1)
    assert refused["name"] == "CAPTURE_EXCEEDS_HOLD"
    ask("merchant", "charge", shown[1], "--value", "100", "--order", "F-2", "--as", "bus")
    ask("merchant", "void", opened["hold"], "--as", "bus")
    assert spendable(ask, "alice") == before - 550


def test_an_asset_is_registered_sold_and_returned(ask: Ask, tmp_path: Path) -> None:
    issue(ask, "asset-1", 3_000)
    before = spendable(ask, "alice")
    picture = tmp_path / "print.png"
    picture.write_bytes(b"a picture that stays here")
    ask("asset", "register", "print-7", str(picture), "--rights", "copyright", "--as", "museum")
    ask("asset", "offer", "print-7", "--price", "2500", "--order", "P-7", "--as", "museum")
    ask("asset", "buy", "print-7", "--as", "alice", code=2)
    ask("asset", "buy", "print-7", "--price", "2500", "--as", "alice")
    assert ask("asset", "buy", "print-7", "--price", "2500", "--as", "alice")["code"] == "OK_DUPLICATE"
    assert spendable(ask, "alice") == before - 2_500
    assert [item["asset"] for item in ask("asset", "list", "--owner", "alice")["items"]] == ["print-7"]
    ask("asset", "lock", "print-7", "--reason", "two claim it", "--as", "regulator")
    assert ask("asset", "return", "print-7", "--as", "alice", code=1)["name"] == "ASSET_LOCKED"
    ask("asset", "unlock", "print-7", "--as", "regulator")
    ask("asset", "return", "print-7", "--as", "alice")
    assert ask("asset", "withdraw", "print-7", "--as", "museum", code=1)["name"] == "NOT_FOR_SALE"
    added = ask("anchor", "add", str(picture), "--namespace", "project/prints", "--as", "museum")
    assert ask("anchor", "show", str(picture), "--namespace", "project/prints")["tx"] == added["tx"]
    assert ask("asset", "show", "print-7")["content_hash"] == event(added, "Anchored")["hash"]


def test_a_new_tourist_opens_an_account(ask: Ask, tmp_path: Path) -> None:
    secret = tmp_path / "p"
    secret.write_text("mine\n")
    secret.chmod(0o600)
    with_secret = ("--passphrase-file", str(secret))
    made = ask("wallet", "new", "carol", *with_secret, devnet=False)
    unknown = ask("wallet", "balance", "carol", code=1)
    assert unknown["name"] == "ACCOUNT_UNKNOWN"
    sponsorship = tmp_path / "s.json"
    sponsorship.write_text(json.dumps(ask("merchant", "sponsor", made["public_key"], "--as", "hotel")))
    ask("wallet", "open", "--as", "carol", "--sponsorship", str(sponsorship), *with_secret)
    issue(ask, "carol-1", 50, "carol")
    assert spendable(ask, "carol") == 50
    assert ask("wallet", "pay", "nonsense", "--as", "carol", *with_secret, code=2)["name"] == "USAGE"


def test_reserve_attestation_has_two_signatures(ask: Ask) -> None:
    before = int(ask("merchant", "exposure", "hotel")["cap"])
    ask("merchant", "reserve", "attest", "hotel", "50000000", "--as", "custodian")
    assert int(ask("merchant", "exposure", "hotel")["cap"]) == 125_000_000 > before


def test_any_kind_as_json_on_three_machines(ask: Ask, tmp_path: Path) -> None:
    address = ask("wallet", "address", "alice")["address"]
    body = {"class": "hotel", "to": address, "units": "5", "order_id": "tx-1", "reason": "EARN", "cash_value": 50}
    (tmp_path / "body.json").write_text(json.dumps(body))
    unsigned = ask("tx", "build", "issue", str(tmp_path / "body.json"), "--sender", "hotel")
    (tmp_path / "unsigned.json").write_text(json.dumps(unsigned))
    signed = ask("tx", "sign", str(tmp_path / "unsigned.json"), "--as", "hotel")
    (tmp_path / "signed.json").write_text(json.dumps(signed))
    receipt = ask("tx", "submit", str(tmp_path / "signed.json"))
    assert ask("tx", "submit", str(tmp_path / "signed.json")) == receipt, "sent again: the same receipt"
    assert ask("tx", "show", receipt["tx"])["status"] == "committed"
    assert ask("tx", "show", "00" * 32, code=3)["status"] == "unknown"
    for units, code in (("-5", 1), ("1.5", 1), ("05", 1)):
        (tmp_path / "bad.json").write_text(json.dumps({**body, "units": units}))
        assert ask("tx", "build", "issue", str(tmp_path / "bad.json"), "--sender", "hotel", code=code)[
            "name"
        ] == "BAD_AMOUNT"


def test_settlement_from_close_to_confirmed(ask: Ask, folder: Path, tmp_path: Path) -> None:
    issue(ask, "settle-1", 5_000)
    request = ask("merchant", "request", "--order", "settle-R", "--value", "5000", "--as", "seafood")["qr"]
    ask("wallet", "pay", request, "--as", "alice")
    (tmp_path / "close.json").write_text("{}")
    unsigned = ask("tx", "build", "window_close", str(tmp_path / "close.json"), "--sender", "operator")
    (tmp_path / "unsigned.json").write_text(json.dumps(unsigned))
    signed = ask("tx", "sign", str(tmp_path / "unsigned.json"), "--as", "operator")
    (tmp_path / "signed.json").write_text(json.dumps(signed))
    ask("tx", "submit", str(tmp_path / "signed.json"))
    window = ask("merchant", "legs")
    names = {v: k for k, v in json.loads((folder / "network.json").read_text())["identities"].items()}
    assert window["instructions"]
    for leg in window["instructions"]:
        payer, payee = (names.get(side, "FUND") for side in leg.split("->"))
        signers = [{"FUND": "custodian"}.get(name, name) for name in (payer, payee)]
        number = str(window["id"])
        ask("merchant", "leg", "paid", number, payer, payee, "--bank-ref", "T-1", "--as", signers[0])
        ask("merchant", "leg", "confirm", number, payer, payee, "--as", signers[1])
    assert ask("merchant", "legs", "--window", str(window["id"]))["state"] == "SETTLED"
    assert ask("merchant", "statement", "hotel")["net_fen"] < 0


def test_a_receipt_proves_itself_and_no_changed_byte_does(ask: Ask, folder: Path, tmp_path: Path) -> None:
    receipt = issue(ask, "proof-1", 10)
    path, paper = tmp_path / "r.hnproof", tmp_path / "receipt.json"
    paper.write_text(json.dumps(receipt))
    ask("wallet", "receipt", "save", str(paper), "--to", str(path))
    ask("wallet", "receipt", "save", receipt["tx"], "--to", str(path), code=2)
    proven = ask("wallet", "receipt", "verify", str(path), "--genesis", str(folder / "genesis.json"), devnet=False)
    assert proven["verified"] and proven["receipt"]["tx"] == receipt["tx"] and len(proven["signers"]) == 3
    genesis, raw = read_genesis(folder / "genesis.json"), path.read_bytes()
    for position in range(len(raw)):
        changed = bytearray(raw)
        changed[position] ^= 1 << position % 8
        with pytest.raises(Malformed):
            verify_receipt_proof(bytes(changed), genesis)
    for other in (raw[:-1], raw + b"\x00", b""):
        with pytest.raises(Malformed):
            verify_receipt_proof(other, genesis)


def test_a_killed_leader_costs_nothing_that_was_answered(ask: Ask, folder: Path) -> None:
    before = issue(ask, "kill-1", 10)
    ask("devnet", "kill", "leader", "--dir", str(folder), devnet=False)
    after = issue(ask, "kill-2", 10)
    assert after["height"] > before["height"]
    ask("devnet", "start", "--dir", str(folder), devnet=False)
    open_devnet(folder).wait_ready(open_devnet(folder).places)
    statuses = ask("devnet", "status", "--dir", str(folder), devnet=False)
    assert all(item["state"] == "running" for item in statuses)


def test_a_partition_of_one_heals(ask: Ask, folder: Path) -> None:
    ask("devnet", "partition", "node3", "--dir", str(folder), devnet=False)
    issue(ask, "cut-1", 10)
    ask("devnet", "heal", "--dir", str(folder), devnet=False)
    network = open_devnet(folder)
    network.wait_ready(network.places)


def test_the_audit_from_outside_and_from_inside(ask: Ask, folder: Path) -> None:
    found = ask("audit", "verify")
    assert found["certified"] >= found["stop"] - 1
    assert all(not result["violations"] for result in ask("audit", "invariants").values())
    assert len(ask("audit", "exposure")) == 4
    config = str(folder / "node2" / "node.toml")
    assert "in use by pid" in ask("node", "verify", "--config", config, code=2, devnet=False)["detail"]
    ask("devnet", "kill", "node2", "--dir", str(folder), devnet=False)
    verified = ask("node", "verify", "--config", config, devnet=False)
    assert verified["ok"]
    ledger = folder / "node2" / "data" / "ledger"
    store = LevelDbStore.open(ledger)
    store.compact(b"\x00", b"\xff")  # a table that is merged already would go when the ledger is opened again
    store.close()
    table = max(ledger.glob("*.ldb"), key=lambda path: path.stat().st_size)
    raw = bytearray(table.read_bytes())
    raw[len(raw) // 2] ^= 1
    table.write_bytes(raw)
    assert ask("node", "verify", "--config", config, code=74, devnet=False)["name"] == "LEDGER_DAMAGED"
    shutil.rmtree(ledger)
    lost = ask("devnet", "start", "node2", "--dir", str(folder), code=74, devnet=False)
    assert "has lost its ledger" in lost["detail"], "never made again without being told to (F04)"


@pytest.mark.pitfall(44)
def test_a_lost_ledger_comes_back_as_a_snapshot_of_another_node(ask: Ask, folder: Path) -> None:
    """It abstains until the epoch ends; the test behind this one ends it by a new key."""
    network, config = open_devnet(folder), folder / "node2" / "node.toml"
    issue(ask, "before-snapshot", 10)
    network.kill(network.place("node2"))
    made = ask("node", "snapshot", "--config", str(folder / "node0" / "node.toml"), devnet=False)
    sources = [argument for place in network.places[:2] for argument in ("--from", place.url)]
    found = ask("node", "resync", "--config", str(config), *sources, devnet=False)
    assert (found["height"], found["abstains_in"]) == (made["height"], 0)
    assert Path(found["old"]).name == "data.old-1" and Path(found["old"]).is_dir()
    assert not any(blamed["lied"] for blamed in found["blamed"])
    ask("devnet", "start", "node2", "--dir", str(folder), devnet=False)
    back = ask("node", "status", "--node", network.place("node2").url, devnet=False)
    assert back["role"] == "abstaining" and back["height"] >= made["height"]
    refused = ask("node", "resync", "--config", str(config), *sources, code=2, devnet=False)
    assert "in use by pid" in refused["detail"]


def members(ask: Ask) -> dict[str, Any]:
    return {member["name"]: member for member in ask("gov", "validators")["members"]}


@pytest.mark.pitfall(66)
def test_a_voting_key_changes_while_the_network_runs(ask: Ask, folder: Path) -> None:
    """S11, C8: the running node takes the next key with the epoch that names it, and the old one is gone."""
    config = folder / "node2" / "node.toml"
    before, epoch = members(ask)["node2"]["vote_key"], ask("gov", "validators")["epoch"]
    receipt = ask("node", "rotate-key", "--config", str(config), "--as", "alice")
    following = event(receipt, "ValidatorChangePending")["vote_key"]
    assert becomes_true(lambda: ask("gov", "validators")["epoch"] == epoch + 1, 20)
    assert members(ask)["node2"]["vote_key"] == following != before
    paid = issue(ask, "after-rekey", 10)
    assert ask("wallet", "balance", "alice")["proven"]["epoch"] == epoch + 1
    audited = ask("audit", "verify")
    assert audited["epoch"] == epoch + 1 and not audited["distrusted"]
    assert ask("wallet", "history", "alice")["items"][0]["tx"] == paid["tx"]
    assert becomes_true(lambda: not (folder / "node2" / "vote.key.next").exists(), 20)
    assert ask("gov", "validator-remove", "node2", "--as", "operator", code=1)["name"] == "TOO_FEW_VALIDATORS"
    assert ask("gov", "validator-remove", "node2", "--as", "alice", code=1)["name"] == "NOT_AUTHORISED"


def test_offices_and_what_an_auditor_takes_away(ask: Ask, folder: Path, tmp_path: Path) -> None:
    issue(ask, "office-1", 500, "bob")
    ask("office", "freeze", "bob", "--mode", "OUT", "--lasts", "2h", "--reason", "case 7", "--as", "regulator")
    refused = ask("wallet", "authorize", "bus", "10", "--ttl", "1h", "--as", "bob", code=1)
    assert refused["name"] == "ACCOUNT_FROZEN"
    ask("office", "unfreeze", "bob", "--as", "regulator")
    ask("office", "revoke-tier", "bob", "--as", "attester")
    ask("office", "attest", "bob", "--tier", "1", "--lasts", "365d", "--commitment", "11" * 32, "--as", "attester")
    assert ask("audit", "account", "bob")["tier"] == 1
    ask("office", "pause-class", "nowhere", "--lasts", "1h", "--as", "regulator", code=1)
    ask("office", "pause-class", "hotel", "--until", "2000-01-01", "--as", "regulator")  # how a pause ends early
    ask("office", "freeze", "bob", "--mode", "ALL", "--reason", "x", "--as", "regulator", code=2)
    told = ask("audit", "history", "bob")
    assert told["faults"] == [] and sum(row["units"] for row in told["rows"]) == spendable(ask, "bob")
    assert ask("audit", "supply", "--recompute")["faults"] == []
    ask("audit", "bundle", "make", "--account", "bob", "--to", str(tmp_path / "b"), "--as", "regulator")
    ask("audit", "bundle", "verify", str(tmp_path / "b"), "--genesis", str(folder / "genesis.json"), devnet=False)
    exported = ask("audit", "export", "--to", str(tmp_path / "books"))
    assert exported["faults"] == [] and exported["files"]["movements.csv"]["rows"] >= len(told["rows"])
