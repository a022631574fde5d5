"""What a wallet keeps of its trust: replaced as a whole, never by something older, never of another chain."""

from pathlib import Path

import pytest

from cli.trust_store import TrustStore
from cli.verdicts import Refusal
from primitives.genesis import genesis_text
from primitives.light_client import Conflict, TrustedEpochs
from tests.primitives.epochs import CHAIN_ID, GENESIS, EpochChain, changing


def trusting(chain: EpochChain, epochs: int, height: int) -> TrustedEpochs:
    trusted = TrustedEpochs(GENESIS)
    for handover in chain.handovers[:epochs]:
        trusted.advance(handover)
    trusted.certified_header(chain.shown(height))
    return trusted


def test_a_newer_record_stays(tmp_path: Path) -> None:
    """Two commands at once: the one that ends last may know less."""
    store, chain = TrustStore(tmp_path / "trust"), changing()
    assert store.record(CHAIN_ID) is None
    newer, older = trusting(chain, 2, 9).record(), trusting(chain, 1, 5).record()
    for first, second in ((older, newer), (newer, older), (newer, trusting(chain, 2, 8).record())):
        store.keep_record(first)
        store.keep_record(second)
        assert store.record(CHAIN_ID) == newer


def test_a_file_of_another_chain_or_of_nonsense_is_named(tmp_path: Path) -> None:
    store = TrustStore(tmp_path)
    store.keep_record(trusting(changing(), 1, 5).record())
    (kept,) = tmp_path.iterdir()
    other = bytes(32)
    kept.rename(tmp_path / f"{other.hex()[:32]}.trust")
    with pytest.raises(Refusal, match="of chain"):
        store.record(other)
    kept.write_bytes(b"nonsense")
    with pytest.raises(Refusal) as refused:
        store.record(CHAIN_ID)
    assert str(kept) in refused.value.detail and "delete" in refused.value.fix


def test_a_kept_genesis_counts_only_for_its_own_chain(tmp_path: Path) -> None:
    store = TrustStore(tmp_path)
    assert store.genesis(CHAIN_ID) is None
    store.keep_genesis(GENESIS)
    assert store.genesis(CHAIN_ID) == GENESIS
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(genesis_text(GENESIS).replace(b"epochs", b"others"))
    assert store.genesis(CHAIN_ID) is None


def test_what_cannot_be_written_is_said_and_stops_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    store = TrustStore(tmp_path / "file" / "trust")
    chain, fork = EpochChain(), EpochChain()
    chain.add()
    fork.add(proposer=1)
    store.keep_fork(CHAIN_ID, Conflict(chain.shown(1), fork.shown(1)))
    assert "not kept" in capsys.readouterr().err or "未能保存" in capsys.readouterr().err
