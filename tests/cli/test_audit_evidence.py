"""`hnchain audit evidence`: proofs over epochs, from nodes that may lie, in files, and about a fork of two chains."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chainnode.journal_entries import record_entry
from cli.main import run
from consensus.epochs import EpochContext
from consensus.evidence import DoubleVote, Evidence, accuse, evidence_id
from consensus.journal_records import SawCertificate
from consensus.messages import Vote
from ledger.evidence_shelf import EvidenceShelf
from ledger.journal import Journal
from ledger.memory_disk import MemoryDisk
from primitives.certificate import Certificate, Phase
from primitives.codec import decode_canonical, decoder, encode
from primitives.genesis import genesis_text, validator_set
from primitives.hashing import ZERO_DIGEST, Digest
from primitives.validators import Epoch, Height, ValidatorSet
from tests.cli.lying_node import Door, EpochTown

Ask = Callable[..., tuple[int, Any, str]]


@pytest.fixture
def ask(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., tuple[int, Any, str]]:
    """Run `audit evidence` with a genesis; (exit code, JSON, stderr)."""
    monkeypatch.setenv("HNCHAIN_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)

    def act(town: EpochTown, *arguments: str, doors: tuple[Door, ...] = ()) -> tuple[int, Any, str]:
        (tmp_path / "genesis.json").write_bytes(genesis_text(town.genesis))
        capsys.readouterr()
        nodes = [part for door in doors for part in ("--node", door.url)]
        code = run(["audit", "evidence", *arguments, *nodes, "--genesis", "genesis.json", "-o", "json"])
        captured = capsys.readouterr()
        return code, json.loads(captured.out) if captured.out else None, captured.err

    return act


@pytest.fixture
def doors() -> Iterator[Callable[[EpochTown], Door]]:
    with ExitStack() as stack:
        yield lambda town: stack.enter_context(Door(town).open())


def offence(town: EpochTown, epoch: int, members: ValidatorSet, seat: int, height: int = 5) -> Evidence:
    """Two PREPAREs of one seat with its real key."""
    context = EpochContext(Digest(town.chain_id), Epoch(epoch), members, Height(0), ZERO_DIGEST)
    votes = []
    for digest in (b"a" * 32, b"b" * 32):
        draft = Vote(Phase.PREPARE, epoch, 0, height, digest, seat, bytes(64))
        signature = town.pens[members.key_of(seat)].sign(context.signed_vote_bytes(draft))
        votes.append(msgspec.structs.replace(draft, signature=signature))
    return accuse(context, seat, DoubleVote(*votes))


def hold(town: EpochTown, *found: Evidence) -> None:
    EvidenceShelf(town.node.chain.store).put({evidence_id(one): encode(one) for one in found})


@pytest.mark.pitfall(62)
def test_offences_of_every_epoch_are_checked_with_the_members_of_that_epoch(
    ask: Ask, doors: Callable[[EpochTown], Door], tmp_path: Path
) -> None:
    town = EpochTown()
    first = validator_set(town.genesis)
    town.swap("w1", "w4")
    second = town.members
    town.run(town.issue("o1"))
    town.node.flush()
    found = (offence(town, 0, first, 1), offence(town, 1, second, 1), offence(town, 1, second, 2))
    hold(town, *found)
    node = doors(town)
    code, plain, _ = ask(town, "--export", "out.hne", doors=(node,))
    assert code == 0
    assert [(e["epoch"], e["accused"]) for e in plain["evidence"]] == [(0, "w1"), (1, "w4"), (1, "w2")]
    assert plain["evidence"][0]["held_by"] == [node.url]
    code, offline, _ = ask(town, "out.hne", "--fail-on-evidence")
    assert code == 1
    assert [e["id"] for e in offline["evidence"]] == [e["id"] for e in plain["evidence"]]
    assert ask(EpochTown("other"), "out.hne")[0] == 2, "another chain's genesis proves none of it"
    raw = (tmp_path / "out.hne").read_bytes()
    (tmp_path / "out.hne").write_bytes(raw[:-3] + bytes([raw[-3] ^ 1]) + raw[-2:])
    assert ask(town, "out.hne")[0] == 2


def test_a_node_with_false_evidence_lies_and_accuses_nobody(ask: Ask, doors: Callable[[EpochTown], Door]) -> None:
    town = EpochTown()
    town.run(town.issue("o1"))
    town.node.flush()
    true = offence(town, 0, town.members, 2)
    hold(town, true)
    liar, honest = doors(town), doors(town)
    for lie in (
        lambda path, truth: encode(msgspec.structs.replace(true, accused=1)) if "msgpack" in path else truth,
        lambda path, truth: encode(offence(town, 0, town.members, 3)) if "msgpack" in path else truth,
        lambda path, truth: b"\x90" if "msgpack" in path else truth,
        lambda path, truth: {"items": [{"id": 5}], "next": None} if path.startswith("/v1/evidence?") else truth,
    ):
        liar.lie = lie
        code, plain, err = ask(town, doors=(liar, honest))
        assert code == 1 and liar.url in err
        assert [(e["accused"], e["held_by"]) for e in plain["evidence"]] == [("w2", [honest.url])]


def test_nothing_found_is_the_normal_answer(ask: Ask, doors: Callable[[EpochTown], Door]) -> None:
    town = EpochTown()
    town.run(town.issue("o1"))
    town.node.flush()
    code, plain, _ = ask(town, "--fail-on-evidence", doors=(doors(town),))
    assert (code, plain["evidence"]) == (0, [])
    assert ask(town, "missing.hne")[0] == 2


def test_two_nodes_with_two_final_chains_name_who_made_both(
    ask: Ask, doors: Callable[[EpochTown], Door], tmp_path: Path
) -> None:
    """One genesis, one handover, then two histories that the same keys certified."""
    towns = EpochTown(), EpochTown()
    for town in towns:
        town.swap("w1", "w4")
        town.run(town.issue("same"))
    for town, order in zip(towns, ("left", "right"), strict=True):
        for number in range(3):
            town.run(town.issue(f"{order}-{number}"))
        town.node.flush()
    left, right = (doors(town) for town in towns)
    code, plain, err = ask(towns[0], "--fork", left.url, right.url, "--export", "fork.hne")
    assert code == 0, err
    assert plain["needed"] == 2 and len(plain["accused"]) >= 2 and plain["epoch"] == 1 and plain["missing"] is None
    assert {e["kind"] for e in plain["evidence"]} <= {"double_vote", "broken_chain"}
    assert ask(towns[0], "fork.hne")[0] == 0
    assert ask(towns[0], "--fork", left.url, left.url)[0] == 2, "no difference"
    image = MemoryDisk()
    journal = Journal.create(image, "journal", towns[0].chain_id)
    certificate = towns[0].node.chain.certificate(towns[0].node.chain.head.height - 1)
    assert certificate is not None
    journal.append([record_entry(SawCertificate(decode_canonical(decoder(Certificate), certificate)))])
    journal.sync()
    (tmp_path / "journal").write_bytes(image.durable("journal"))
    assert ask(towns[0], "--fork", left.url, right.url, "--journal", "journal")[0] == 0
    (tmp_path / "journal").write_bytes(b"x" * 500)
    assert ask(towns[0], "--fork", left.url, right.url, "--journal", "journal")[0] == 2
    right.lie = lambda path, truth: truth[:-1] if path.endswith("/bytes") and isinstance(truth, bytes) else truth
    assert ask(towns[0], "--fork", left.url, right.url)[0] == 1
