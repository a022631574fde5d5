"""The fast verifier gives libsodium's verdict on everything, or the node does not start."""

import ctypes
import os
import random
from pathlib import Path
from typing import Any

import pytest

from chainnode import eight_lanes, process
from chainnode.config import AdminSection, HttpSection, NodeConfig, PeerSection, write_config
from chainnode.eight_lanes import LANES, MESSAGE_BYTES_MAX, ORDER, EightLanes, disagreement, find, may_use_lanes
from chainnode.failures import BadConfiguration, VerifiersDisagree
from primitives.keys import PublicKey, Signature, SigningKey, verify
from primitives.transaction import SignatureCheck
from tests.chainnode.odd_signatures import ODD_POINTS, honest, spoiled, with_torsion


def test_the_verifier_here_is_the_one_that_was_meant() -> None:
    """`make test-libsodium` sets HNCHAIN_VERIFIER, CI too: without it the suite takes whatever this machine has."""
    found = "libsodium" if find("auto") is None else "lanes"
    assert os.environ.get("HNCHAIN_VERIFIER", found) == found


def libsodium_in_lanes(r: Any, s: Any, messages: Any, lengths: Any, keys: Any) -> int:
    """The library's interface over libsodium: pointers to bytes, a status word of four bits per lane."""

    def at(pointers: Any, lane: int, length: int) -> bytes:
        return ctypes.string_at(ctypes.cast(pointers, ctypes.POINTER(ctypes.c_void_p))[lane], length)

    status = 0
    for lane in range(LANES):
        signature = Signature(at(r, lane, 32) + at(s, lane, 32))
        if not verify(PublicKey(at(keys, lane, 32)), at(messages, lane, lengths[lane]), signature):
            status |= 4 << 4 * lane
    return status


def always_yes(*_: Any) -> int:
    return 0


def always_no(*_: Any) -> int:
    return 0x44444444


def neighbours(*arguments: Any) -> int:
    """Lane 3 answers for lane 2."""
    status = libsodium_in_lanes(*arguments)
    return status & ~0xF000 | (status & 0xF00) << 4


@pytest.mark.parametrize("odd", ODD_POINTS[:18])
def test_an_odd_encoding_never_reaches_the_library(odd: bytes) -> None:
    check = honest(random.Random(1))
    assert may_use_lanes(check)
    assert not may_use_lanes(check._replace(key=PublicKey(odd)))
    assert not may_use_lanes(check._replace(signature=Signature(odd + check.signature[32:])))


def test_an_s_beyond_the_order_never_reaches_the_library() -> None:
    check = honest(random.Random(1))
    s = int.from_bytes(check.signature[32:], "little")
    beyond = check.signature[:32] + (s + ORDER).to_bytes(32, "little")
    assert not may_use_lanes(check._replace(signature=Signature(beyond)))
    assert not may_use_lanes(check._replace(signature=Signature(check.signature[:63])))


@pytest.mark.parametrize("length", [0, MESSAGE_BYTES_MAX, MESSAGE_BYTES_MAX + 1, 5_000])
def test_a_message_of_any_length_is_verified(length: int) -> None:
    key, message = SigningKey(bytes(range(32))), bytes(length)
    good = SignatureCheck(key.public_key, message, key.sign(message))
    assert may_use_lanes(good) == (length <= MESSAGE_BYTES_MAX)
    checks = [good, good._replace(message=message + b"?"), good, good._replace(message=message[1:])]
    expected = [True, False, True, length == 0]
    assert EightLanes(libsodium_in_lanes).verify_all(checks) == expected


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 24, 128, 300])
def test_every_lane_is_read_and_answered_in_order(count: int) -> None:
    dice = random.Random(count)
    checks = [spoiled(dice) for _ in range(count)]
    assert EightLanes(libsodium_in_lanes).verify_all(checks) == [verify(*check) for check in checks]


def test_libsodium_has_the_last_word_on_a_no() -> None:
    dice = random.Random(3)
    checks = [spoiled(dice) for _ in range(50)]
    assert EightLanes(always_no).verify_all(checks) == [verify(*check) for check in checks]


def test_the_torsion_vectors_tell_equations_and_encodings_apart() -> None:
    """They would be worth little if all verified, or none."""
    verdicts = [verify(*check) for check in with_torsion()]
    assert len(verdicts) > 1_500
    assert 30 < sum(verdicts) < len(verdicts) // 2


@pytest.mark.parametrize("batch", [always_yes, always_no, neighbours])
def test_the_start_up_vectors_see_a_library_that_disagrees(batch: eight_lanes.Batch) -> None:
    assert disagreement(libsodium_in_lanes) is None
    assert disagreement(batch) is not None


def test_a_node_whose_verifiers_disagree_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(eight_lanes, "_library", lambda _place: neighbours)
    monkeypatch.setattr(process, "start_logging", lambda _level: None)
    config = tmp_path / "node.toml"
    names = dict.fromkeys(("genesis", "data", "vote_key", "transport_key"), "missing")
    sections = {"peer": PeerSection(port=0), "http": HttpSection(port=0), "admin": AdminSection(port=0, token="t")}
    write_config(config, NodeConfig(name="n1", **names, **sections))
    assert process.run(config) == 2
    said = capsys.readouterr().err
    assert "eight-lane verifier: lane 2: verdicts" in said
    assert 'lanes = "off"' in said


def test_off_does_not_even_look_for_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eight_lanes, "_library", lambda _place: neighbours)
    assert find("off") is None
    with pytest.raises(VerifiersDisagree):
        find("auto")


def test_a_library_that_is_required_and_missing_is_named(tmp_path: Path) -> None:
    assert find("auto", tmp_path) is None
    with pytest.raises(BadConfiguration, match=r"hnchain\[fast\]"):
        find("required", tmp_path)


def test_the_real_library_agrees_with_libsodium() -> None:
    lanes = find("auto")
    if lanes is None:
        pytest.skip("no AVX-512 IFMA, or the extra [fast] is not installed (make fast)")
    dice = random.Random(4)
    checks = [*(spoiled(dice) for _ in range(8_000)), *with_torsion()]
    assert lanes.verify_all(checks) == [verify(*check) for check in checks]
