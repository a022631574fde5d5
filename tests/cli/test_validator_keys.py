"""What the machine of a voting key says about it: a candidate's file, and the change to the next key."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from cli.main import run
from cli.validators import roster_text
from primitives.genesis import chain_id, load_genesis
from primitives.json_form import body_from_plain
from primitives.keys import PublicKey, Signature, SigningKey, verify
from primitives.kinds_validators import ValidatorAdd, ValidatorRekey, ValidatorReplace
from primitives.validators import vote_key_digest

ROOT = Path(__file__).resolve().parents[2]
CHAIN = chain_id(load_genesis((ROOT / "genesis.json").read_bytes()))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """A node that is prepared and has never run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HNCHAIN_HOME", str(tmp_path / "home"))
    assert run(["node", "init", "--name", "sanya", "--dir", "sanya"]) == 0
    (tmp_path / "sanya/genesis.json").write_bytes((ROOT / "genesis.json").read_bytes())
    capsys.readouterr()
    return tmp_path / "sanya"


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert run(list(arguments)) == 0
    return json.loads(capsys.readouterr().out)


def test_a_candidate_proves_that_it_holds_its_key(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain = told(capsys, "node", "candidate", "--config", str(folder / "node.toml"), "--address", "10.0.0.5:26600")
    body = body_from_plain("validator_add", plain)
    assert isinstance(body, ValidatorAdd)
    key = SigningKey.from_seed(bytes.fromhex((folder / "vote.key").read_text()))
    assert (body.name, body.vote_key, body.address) == ("sanya", key.public_key, "10.0.0.5:26600")
    assert body.transport_certificate[0] == 0x30
    digest = vote_key_digest(CHAIN, "sanya", body.vote_key)
    assert verify(PublicKey(body.vote_key), digest, Signature(body.possession))
    assert isinstance(body_from_plain("validator_replace", {**plain, "old": "node0"}), ValidatorReplace)


@pytest.mark.parametrize("address", ["nowhere", "host:", "ho st:1", ":"])
def test_an_address_has_a_host_and_a_port(folder: Path, address: str) -> None:
    assert run(["node", "candidate", "--config", str(folder / "node.toml"), "--address", address]) == 2


@pytest.mark.pitfall(66)
def test_the_next_key_is_made_once_and_signed_by_both(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """However often the command runs: the key of a transaction that was sent must not be lost."""
    config = str(folder / "node.toml")
    plain = told(capsys, "node", "rotate-key", "--config", config)
    following = folder / "vote.key.next"
    assert stat.S_IMODE(following.stat().st_mode) == 0o600
    body = body_from_plain("validator_rekey", plain)
    assert isinstance(body, ValidatorRekey)
    old, new = (SigningKey.from_seed(bytes.fromhex(path.read_text())) for path in (folder / "vote.key", following))
    assert (body.old_key, body.vote_key) == (old.public_key, new.public_key)
    digest = vote_key_digest(CHAIN, "sanya", new.public_key)
    assert verify(old.public_key, digest, Signature(body.approval))
    assert verify(new.public_key, digest, Signature(body.possession))
    assert told(capsys, "node", "rotate-key", "--config", config) == plain


def test_an_open_next_key_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told(capsys, "node", "rotate-key", "--config", str(folder / "node.toml"))
    (folder / "vote.key.next").chmod(0o644)
    assert run(["node", "rotate-key", "--config", str(folder / "node.toml")]) == 2
    assert "0600" in capsys.readouterr().err


def test_a_file_that_is_no_candidate_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "bad.json").write_text('{"name": "sanya"}')
    (folder / "worse.json").write_text("[1]")
    assert run(["wallet", "new", "op", "--passphrase-file", str(_passphrase(folder))]) == 0
    for name in ("bad.json", "worse.json", "absent.json"):
        for command in (["validator-add"], ["validator-replace", "node0"]):
            arguments = [
                "gov",
                *command,
                str(folder / name),
                "--as",
                "op",
                "--passphrase-file",
                str(_passphrase(folder)),
            ]
            assert run([*arguments, "--node", "http://127.0.0.1:1"]) == 2


def _passphrase(folder: Path) -> Path:
    path = folder / "passphrase"
    if not path.exists():
        path.write_text("a long enough passphrase\n")
        path.chmod(0o600)
    return path


def test_the_list_shows_who_leads_late_and_what_waits() -> None:
    member = {
        "index": 2, "name": "sanya", "vote_key": "ab" * 32, "address": "", "order": 3, "timeouts": 1,
        "blacklisted": True, "leader": False,
    }  # fmt: skip
    pending = {
        "change": "replace", "index": 2, "name": "sanya", "height": 7, "new_name": "haikou", "vote_key": "cd" * 32,
        "address": "h:1",
    }  # fmt: skip
    text = roster_text({"epoch": 4, "start_height": 90, "quorum": 3, "members": [member], "pending": [pending]})
    assert "90" in text and "3 !" in text and "haikou" in text and "replace" in text
