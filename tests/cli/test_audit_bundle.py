"""`audit bundle make` from a node over real HTTP, `audit bundle verify` without any."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.audit_bundle import bundle_text
from primitives.codec import decode_canonical, decoder
from primitives.evidence_bundle import EvidenceBundle, build_bundle, verify_bundle
from primitives.genesis import genesis_text
from primitives.keys import SigningKey
from tests.chainnode.solo import text
from tests.cli.asking import Ask, asker
from tests.cli.lying_node import Door, EpochTown
from tests.points.market import ADDRESS


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    town = EpochTown()
    town.run(town.issue("o1"))
    town.run(town.redeem("b1", 100))
    town.swap("w3", "w4")
    for _ in range(3):
        town.node.flush()
    town.run(town.redeem("b2", 30))
    for _ in range(4):
        town.node.flush()
    with Door(town).open() as opened:
        yield opened


@pytest.fixture
def ask(door: Door, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Ask:
    monkeypatch.setenv("HNCHAIN_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "genesis.json").write_bytes(genesis_text(door.town.genesis))
    (tmp_path / "pass").write_text("long enough\n")
    (tmp_path / "pass").chmod(0o600)
    act = asker(capsys, "--node", door.url)
    assert act("wallet", "new", "auditor", "--passphrase-file", "pass", online=False)[0] == 0
    return act


SIGNED = ("--to", "case.hnbundle", "--as", "auditor", "--passphrase-file", "pass")
VERIFY = ("audit", "bundle", "verify", "case.hnbundle", "--genesis", "genesis.json")


def test_the_history_of_an_account_as_evidence(ask: Ask, tmp_path: Path) -> None:
    code, plain, _ = ask("audit", "bundle", "make", "--account", text("u"), "--matter", "case 7", *SIGNED)
    assert (code, plain["receipts"]) == (0, 3)
    code, plain, _ = ask(*VERIFY, online=False)
    assert (code, plain["verified"], plain["matter"]) == (0, True, "case 7")
    assert [item["transaction"]["kind"] for item in plain["receipts"]] == ["issue", "redeem", "redeem"]
    assert [item["epoch"] for item in plain["receipts"]] == [0, 0, 1]
    signer = ask("wallet", "address", "auditor", online=False)[1]["address"]
    assert plain["account"] == signer
    assert ask(*VERIFY, "--signer", plain["key"], online=False)[0] == 0
    assert ask(*VERIFY, "--signer", signer, online=False)[0] == 0
    code, refused, _ = ask(*VERIFY, "--signer", text("u"), online=False)
    assert (code, refused["name"]) == (1, "BAD_BUNDLE")
    raw = bytearray((tmp_path / "case.hnbundle").read_bytes())
    raw[len(raw) // 2] ^= 1
    (tmp_path / "case.hnbundle").write_bytes(raw)
    code, refused, said = ask(*VERIFY, online=False)
    assert (code, refused["code"]) == (1, "HN-9019") and "believe nothing" in said


def test_named_transactions_and_dates(ask: Ask, door: Door) -> None:
    chain = door.town.node.chain
    id = chain.transaction_ids(2)[0].hex()
    code, plain, _ = ask("audit", "bundle", "make", "--tx", id, "--tx", id, *SIGNED)
    assert (code, plain["receipts"]) == (0, 1)
    assert ask("audit", "bundle", "make", "--tx", id, *SIGNED)[0] == 2, "a file is never overwritten"
    other = ("--to", "other.hnbundle", *SIGNED[2:])
    code, plain, _ = ask("audit", "bundle", "make", "--account", text("u"), "--as-of", "1", *other)
    assert (code, plain["receipts"]) == (0, 1)


def test_wrong_use(ask: Ask) -> None:
    make = ("audit", "bundle", "make")
    assert ask(*make, *SIGNED)[0] == 2
    assert ask(*make, "--tx", "00" * 32, "--account", text("u"), *SIGNED)[0] == 2
    assert ask(*make, "--tx", "00" * 31, *SIGNED)[0] == 2
    assert ask(*make, "--tx", "00" * 32, *SIGNED)[0] == 3, "no node proves an unknown transaction"
    assert ask(*make, "--account", text("u"), "--since", "2099-01-01", *SIGNED)[0] == 1
    assert ask(*make, "--account", text("u"), "--matter", "x\x1b", *SIGNED)[0] == 2
    assert ask(*VERIFY, online=False)[0] == 2


def test_a_forger_who_signs_in_the_regulators_name_is_told_apart(ask: Ask, door: Door, tmp_path: Path) -> None:
    """What is in it holds all the same; who vouches for it is only whose key it is."""
    assert ask("audit", "bundle", "make", "--account", text("u"), *SIGNED)[0] == 0
    assert ask(*VERIFY, online=False)[1]["account_proven"] is True
    bundle = decode_canonical(decoder(EvidenceBundle), (tmp_path / "case.hnbundle").read_bytes())
    forger, named = SigningKey.from_seed(bytes([9]) * 32), ADDRESS["regulator"]
    raw = build_bundle(door.town.chain_id, 1, "", named, forger, bundle.handovers, bundle.proofs)
    (tmp_path / "case.hnbundle").write_bytes(raw)
    code, plain, _ = ask(*VERIFY, online=False)
    assert (code, plain["account"], plain["account_proven"]) == (0, text("regulator"), False)
    assert "unproven" in bundle_text(verify_bundle(raw, door.town.genesis), plain)
    assert ask(*VERIFY, "--signer", text("regulator"), online=False)[0] == 1
