"""Journey 9 of the tourist by the command: guardians, a lost phone, a new wallet that goes on with the old account."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from cli.keystore import LIGHT, read_keystore, seal, unlocked, write_keystore
from cli.main import run
from cli.passphrase import PassphraseSource
from cli.wallets import Signer, WalletFile, adopt_account, wallet_address
from primitives.address import encode_address
from primitives.genesis import Genesis, GenesisAccount
from primitives.json_form import to_plain
from primitives.kinds import AccountKey, Issue, Redeem
from primitives.transaction import decode_transaction, sponsor_digest
from tests.chainnode.solo import Town, make_genesis
from tests.cli.lying_node import Door
from tests.points.market import address, key_of

HOUR = 3600
WALLETS = {name: unlocked(bytes([number]) * 16) for number, name in enumerate(("me", "bob", "carol", "dora", "new"), 1)}
ADDRESS = {name: encode_address(wallet.address) for name, wallet in WALLETS.items()}
PUBLIC = {name: wallet.key.public_key.hex() for name, wallet in WALLETS.items()}
Ask = Callable[..., tuple[int, Any]]


said: list[str] = []  # what the last command wrote for people


def genesis() -> Genesis:
    """The market and an account for every wallet but the new one."""
    plain = make_genesis()
    people = tuple(
        GenesisAccount((AccountKey(wallet.key.public_key),), "tourist", tier=2)
        for name, wallet in WALLETS.items()
        if name != "new"
    )
    return replace(plain, accounts=(*plain.accounts, *people))


@pytest.fixture
def town() -> Town:
    town = Town(genesis())
    raw = town.sign("A", Issue("hA", WALLETS["me"].address, 1000, "o1", "EARN", 1000))
    town.run(raw)
    town.node.flush()
    return town


@pytest.fixture
def ask(
    town: Town, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Ask]:
    """Run a command as a wallet, over HTTP; (exit code, JSON)."""
    folder = tmp_path / "home" / "wallets"
    for name, wallet in WALLETS.items():
        write_keystore(folder / f"{name}.json", seal(wallet, b"secret", LIGHT))
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    secret.chmod(0o600)
    monkeypatch.setenv("HNCHAIN_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "home" / "network.json").write_text(json.dumps(
        {"format": 1, "name": "test", "chain_id": town.chain_id.hex(), "nodes": [], "identities": {}}
    ))  # fmt: skip
    with Door(town).open() as door:

        def act(*arguments: str, by: str = "") -> tuple[int, Any]:
            capsys.readouterr()
            signing = ["--as", by, "--passphrase-file", str(secret)] if by else []
            code = run([*arguments, *signing, "--node", door.url, "-o", "json"])
            captured = capsys.readouterr()
            said[:] = [captured.err]
            return code, json.loads(captured.out) if captured.out else None

        yield act


def test_a_new_phone_goes_on_with_the_old_account(ask: Ask, town: Town, tmp_path: Path) -> None:
    me, key = ADDRESS["me"], PUBLIC["new"]
    assert ask("wallet", "guardians", "set", "bob", "carol", ADDRESS["dora"], by="me")[0] == 0
    code, told = ask("wallet", "recover", "key", me, by="new")
    assert (code, told["keys"]) == (0, [key])
    assert ask("wallet", "recover", "start", me, "--key", key, by="bob")[0] == 0
    assert ask("wallet", "balance", "me", "--trust")[0] == 0
    assert "new keys are proposed" in said[0]
    code, shown = ask("wallet", "recover", "show", me)
    assert (shown["needed"], shown["recoveries"][0]["recovery"]) == (2, told["recovery"])
    assert ask("wallet", "recover", "approve", me, "--key", PUBLIC["dora"], by="carol")[1]["name"] == "RECOVERY_UNKNOWN"
    assert ask("wallet", "recover", "approve", me, "--key", key, by="carol")[0] == 0
    assert ask("wallet", "recover", "finish", me, by="bob")[1]["name"] == "RECOVERY_DELAY"
    assert ask("wallet", "recover", "adopt", me, by="new")[0] == 2, "the account does not have the key yet"
    town.node.set_clock(town.node.now_ms() + 72 * HOUR * 1000)
    assert ask("wallet", "recover", "finish", me, "--key", key, by="dora")[0] == 0
    assert ask("wallet", "recover", "adopt", me, by="new")[1] == {"name": "new", "address": me}
    assert ask("wallet", "address", "new")[1] == {"address": me}
    request = tmp_path / "request.json"
    request.write_text(json.dumps(request_of(town, "b1", 300)))
    assert ask("wallet", "pay", str(request), by="me")[1]["name"] == "BAD_SIGNATURE"
    assert ask("wallet", "pay", str(request), by="new")[0] == 0
    assert ask("wallet", "balance", "new", "--trust")[1]["spendable"] == 700
    assert "new keys" not in said[0]


def request_of(town: Town, order: str, value: int) -> Any:
    """B asks for fen; the JSON form of its request."""
    body = decode_transaction(town.redeem(order, value)).transaction.envelope.body
    assert isinstance(body, Redeem)
    return to_plain(body.request)


def test_guardians_from_the_first_day(ask: Ask, town: Town, tmp_path: Path) -> None:
    keys = (AccountKey(WALLETS["new"].key.public_key),)
    signature = key_of("A").sign(sponsor_digest(town.chain_id, address("A"), keys, 1))
    vouched = {"sponsor": encode_address(address("A")), "sponsor_key": key_of("A").public_key.hex()}
    (tmp_path / "s.json").write_text(json.dumps({**vouched, "sponsor_sig": signature.hex()}))
    guardians = [part for name in ("bob", "carol", "dora") for part in ("--guardian", name)]
    assert ask("wallet", "open", "--sponsorship", "s.json", *guardians, by="new")[0] == 0
    shown = ask("wallet", "recover", "show", "new")[1]
    assert (shown["guardians"], shown["needed"]) == ([ADDRESS[name] for name in ("bob", "carol", "dora")], 2)


def test_objections_and_limits(ask: Ask, town: Town) -> None:
    me, key = ADDRESS["me"], PUBLIC["new"]
    assert ask("wallet", "guardians", "set", by="me")[0] == 2
    assert ask("wallet", "guardians", "set", "bob", "--none", by="me")[0] == 2
    assert ask("wallet", "guardians", "set", "bob", "carol", "--threshold", "1", by="me")[0] == 0
    assert ask("wallet", "recover", "start", me, "--key", key, by="dora")[1]["name"] == "NOT_GUARDIAN"
    assert ask("wallet", "recover", "start", me, "--key", key, by="bob")[0] == 0
    assert ask("wallet", "recover", "withdraw", me, by="bob")[0] == 0
    assert ask("wallet", "recover", "start", me, "--key", key, by="bob")[0] == 0
    assert ask("wallet", "recover", "cancel", by="me")[0] == 0
    assert ask("wallet", "recover", "show", me)[1]["recoveries"] == []
    code, problem = ask("wallet", "recover", "show", ADDRESS["new"])
    assert (code, problem["name"]) == (1, "ACCOUNT_UNKNOWN")
    assert ask("wallet", "guardians", "set", "--none", by="me")[0] == 0
    shown = ask("wallet", "recover", "show", me)[1]
    assert (len(shown["guardians"]), shown["next"]["guardians"]) == (2, [])
    proof = ask("wallet", "key", "prove", me, "--role", "owner", by="new")[1]["proof"]
    add = ("wallet", "key", "add", key, "--role", "owner", "--limit", "50", "--proof")
    assert ask(*add, proof, by="me")[0] == 0
    assert ask("wallet", "key", "limit", key, by="me")[0] == 0
    assert ask("wallet", "key", "revoke", key, by="me")[0] == 0
    assert ask("wallet", "key", "limit", key, by="me")[1]["name"] == "KEY_UNKNOWN"


def test_a_wallet_that_adopted_an_account_changes_its_passphrase(tmp_path: Path) -> None:
    """The keystore stays that of its own key: what is adopted stands beside it."""
    path = tmp_path / "new.json"
    write_keystore(path, seal(WALLETS["new"], b"secret", LIGHT))
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    secret.chmod(0o600)
    wallet = WalletFile("new", path, False)
    adopt_account(wallet, WALLETS["me"].address)
    signer = Signer(wallet, PassphraseSource(None, secret))
    opened = signer.unlock()
    assert (opened.address, opened.key.public_key) == (WALLETS["me"].address, WALLETS["new"].key.public_key)
    again = seal(opened, b"other", LIGHT)
    assert again.header.address == read_keystore(path).header.address == ADDRESS["new"]
    assert encode_address(wallet_address(wallet)) == ADDRESS["me"]
    wallet.path.with_suffix(".account").write_text("nonsense")
    with pytest.raises(Exception, match=str(path)):
        wallet_address(wallet)
