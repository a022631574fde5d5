"""Keystore files (T29, K01): what opens, what does not, and who may read them."""

import os
import stat
from pathlib import Path

import msgspec
import pytest

from cli.keystore import (
    LIGHT,
    STANDARD,
    KeystoreFile,
    read_keystore,
    replace_keystore,
    seal,
    unlocked,
    unseal,
    write_keystore,
)
from cli.passphrase import PassphraseSource
from cli.phrase import derive_key, entropy_of, phrase_of
from cli.verdicts import Refusal, Verdict

ENTROPY = bytes(range(16))


def refusal_of(act: object) -> Refusal:
    with pytest.raises(Refusal) as caught:
        act()  # type: ignore[operator]
    return caught.value


@pytest.mark.parametrize("size", [16, 32])
def test_what_was_sealed_opens_with_the_passphrase_only(size: int) -> None:
    wallet = unlocked(os.urandom(size))
    file = seal(wallet, b"correct horse", LIGHT)
    assert unseal(file, b"correct horse").entropy == wallet.entropy
    for wrong in (b"", b"Correct horse", b"correct horse ", b"x" * 1_000_000):
        assert refusal_of(lambda wrong=wrong: unseal(file, wrong)).verdict is Verdict.KEYSTORE


def test_standard_parameters_are_the_published_ones() -> None:
    assert (STANDARD.passes, STANDARD.memory_bytes) == (3, 64 << 20)


@pytest.mark.parametrize("field", ["passes", "memory_bytes", "address", "salt", "nonce"])
def test_every_field_of_the_header_is_bound(field: str) -> None:
    file = seal(unlocked(ENTROPY), b"p", LIGHT)
    other = seal(unlocked(bytes(16)), b"p", LIGHT).header
    value = getattr(file.header, field)
    changed = {"passes": 3, "memory_bytes": value + 1024 if isinstance(value, int) else 0}.get(
        field, getattr(other, field)
    )
    forged = KeystoreFile(msgspec.structs.replace(file.header, **{field: changed}), file.ciphertext)
    assert refusal_of(lambda: unseal(forged, b"p")).verdict is Verdict.KEYSTORE


def test_every_byte_of_the_ciphertext_is_bound() -> None:
    file = seal(unlocked(ENTROPY), b"p", LIGHT)
    raw = bytes.fromhex(file.ciphertext)
    for position in (0, len(raw) // 2, len(raw) - 1):
        forged = bytearray(raw)
        forged[position] ^= 1
        damaged = KeystoreFile(file.header, forged.hex())
        assert refusal_of(lambda damaged=damaged: unseal(damaged, b"p")).verdict is Verdict.KEYSTORE


@pytest.mark.parametrize(
    ("field", "value"),
    [("passes", 1), ("passes", 17), ("memory_bytes", 18 << 20), ("memory_bytes", 2 << 30), ("kdf", "scrypt"),
     ("format", 2), ("salt", "00"), ("extra", 1)],
)  # fmt: skip
def test_parameters_outside_floor_and_ceiling_are_refused_before_any_work(
    tmp_path: Path, field: str, value: object
) -> None:
    plain = msgspec.to_builtins(seal(unlocked(ENTROPY), b"p", LIGHT))
    plain["header"][field] = value
    path = tmp_path / "w.json"
    path.write_bytes(msgspec.json.encode(plain))
    assert refusal_of(lambda: read_keystore(path)).verdict is Verdict.KEYSTORE


def test_one_message_for_a_wrong_passphrase_and_for_damage(tmp_path: Path) -> None:
    file = seal(unlocked(ENTROPY), b"p", LIGHT)
    path = tmp_path / "w.json"
    path.write_bytes(b"{")
    wrong, damaged = refusal_of(lambda: unseal(file, b"q")), refusal_of(lambda: read_keystore(path))
    assert (wrong.detail, wrong.code, wrong.verdict) == (damaged.detail, damaged.code, damaged.verdict)


def test_files_are_private_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "wallets" / "w.json"
    file = seal(unlocked(ENTROPY), b"p", LIGHT)
    write_keystore(path, file)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert refusal_of(lambda: write_keystore(path, file)).verdict is Verdict.USAGE
    assert read_keystore(path) == file


def test_a_replaced_file_opens_with_the_new_passphrase(tmp_path: Path) -> None:
    path = tmp_path / "w.json"
    write_keystore(path, seal(unlocked(ENTROPY), b"old", LIGHT))
    replace_keystore(path, seal(unlocked(ENTROPY), b"new", LIGHT))
    assert unseal(read_keystore(path), b"new").entropy == ENTROPY
    assert list(tmp_path.iterdir()) == [path]


def test_a_passphrase_file_open_to_others_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p"
    path.write_text("secret\n")
    path.chmod(0o644)
    assert refusal_of(lambda: PassphraseSource(None, path).read("")).verdict is Verdict.USAGE
    path.chmod(0o600)
    assert PassphraseSource(None, path).read("") == b"secret"


def test_without_a_terminal_there_is_no_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    os.close(write)
    with open(read) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert refusal_of(lambda: PassphraseSource(None, None).read("")).verdict is Verdict.USAGE


def test_the_phrase_is_bip39() -> None:
    assert phrase_of(bytes(16), "en") == " ".join(["abandon"] * 11 + ["about"])
    assert len(phrase_of(bytes(32), "en").split()) == 24


@pytest.mark.parametrize("size", [16, 32])
def test_both_spellings_restore_the_same_key(size: int) -> None:
    entropy = os.urandom(size)
    for spelling in (phrase_of(entropy, "en"), phrase_of(entropy, "zh"), phrase_of(entropy, "zh").replace(" ", "")):
        assert entropy_of(spelling) == entropy


@pytest.mark.parametrize("phrase", ["", "abandon " * 12, "abandon " * 11 + "abuot", "海" * 12, "about"])
def test_a_mistyped_phrase_is_refused_without_showing_it(phrase: str) -> None:
    refusal = refusal_of(lambda: entropy_of(phrase))
    assert refusal.verdict is Verdict.USAGE
    assert "abuot" not in refusal.detail


def test_keys_of_one_phrase_differ_and_do_not_change() -> None:
    """Frozen: another derivation would lose every wallet made before."""
    assert derive_key(bytes(16)).public_key != derive_key(bytes(16), 1).public_key
    assert derive_key(bytes(16)).public_key.hex() == FROZEN_KEY


FROZEN_KEY = "3072b4145d546f892383523f5e27a9f9cb2d49933243fc860ce37adb3f7e4c67"
