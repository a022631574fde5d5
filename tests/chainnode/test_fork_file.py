"""A certificate of another chain: the node stops with the proof in a file, and stays down until people decide (T24)."""

from pathlib import Path

import msgspec
import pytest

from chainnode.failures import Forked
from chainnode.fork_file import check_no_fork, write_fork
from consensus.messages import CertificateMessage
from primitives.block import header_digest
from primitives.certificate import Phase
from tests.chainnode.rooms import Room, batch_of, certificate_of, child_of, header_at, propose, vote_of

BODY, OTHER = batch_of(0, "H-1"), batch_of(0, "H-2")


def decided_room() -> Room:
    room = Room(1)
    room.hold(*BODY)
    block = child_of(header_at(room.chain, 0), 0, [BODY])
    room.hear(propose(block), 0)
    room.hear(vote_of(2, Phase.PREPARE, block), 2)
    room.hear(vote_of(0, Phase.COMMIT, block), 0)
    room.hear(vote_of(2, Phase.COMMIT, block), 2)
    room.work(lambda: room.chain.head.height == 1)
    return room


def test_a_quorum_for_another_block_at_a_final_height_is_told_as_a_fork() -> None:
    room = decided_room()
    rival = child_of(header_at(room.chain, 0), 0, [OTHER])
    room.hear(CertificateMessage(certificate_of(rival)), 3)
    room.work(lambda: bool(room.blamed))
    assert room.blamed == ["a fork at 1"]


def test_the_certificate_of_the_own_chain_is_no_fork() -> None:
    room = decided_room()
    block = child_of(header_at(room.chain, 0), 0, [BODY])
    room.hear(CertificateMessage(certificate_of(block)), 3)
    room.hear(vote_of(3, Phase.COMMIT, block), 3)
    room.work(lambda: room.driver.idle)
    assert not room.blamed


def test_the_proof_is_kept_and_the_node_stays_down_until_the_file_is_gone(tmp_path: Path) -> None:
    room = decided_room()
    rival = certificate_of(child_of(header_at(room.chain, 0), 0, [OTHER]))
    check_no_fork(tmp_path)
    failure = write_fork(tmp_path, room.chain, rival)
    assert isinstance(failure, Forked) and failure.exit_code == 74
    kept = msgspec.json.decode((tmp_path / "fork-1.json").read_bytes())
    assert kept["certified_elsewhere"] == rival.digest.hex()
    assert kept["final_here"] == header_digest(header_at(room.chain, 1)).hex()
    with pytest.raises(Forked, match=r"fork-1\.json"):
        check_no_fork(tmp_path)
    (tmp_path / "fork-1.json").unlink()
    check_no_fork(tmp_path)
