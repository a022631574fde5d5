"""A leader that signs two blocks for one slot: at most one is decided, and all soon hold the proof (pitfall 9)."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from chainnode.devnet_layout import transport_identity, vote_key
from chainnode.raw_peer import RawPeer
from cli.main import run
from consensus.epochs import EpochContext
from consensus.messages import Proposal
from primitives.block import Block, Header, batches_root, header_digest, receipts_root, tx_root
from primitives.genesis import genesis_text, validator_set
from primitives.hashing import ZERO_DIGEST, Digest
from primitives.validators import Epoch, Height, NodeId
from tests.integration.local_network import SEED, Network, local_network

LIAR = NodeId(0)  # leads view 0
WITHIN_SECONDS = 10.0  # W19


@pytest.mark.pitfall(9)
def test_two_proposals_of_a_leader_are_known_to_all_within_ten_seconds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HNCHAIN_HOME", str(tmp_path / "home"))
    with local_network(tmp_path, start=False) as network:
        honest = network.places[1:]
        for place in honest:
            network.devnet.start(place)
        network.devnet.wait_ready(honest)
        began = time.monotonic()
        asyncio.run(equivocate(network))
        held: list[list[Any]] = []
        while not held or not all(held):
            assert time.monotonic() - began < WITHIN_SECONDS, f"evidence on {sum(map(bool, held))} nodes"
            held = [network.get(place, "/v1/evidence")["items"] for place in honest]
        name = network.places[LIAR].name
        assert {item["accused"] for items in held for item in items} == {name}
        assert len({tuple(item["id"] for item in items) for items in held}) == 1
        line = network.submit(honest[0], [network.issue("after")], timeout_ms=15_000)[0]
        assert line["status"] == "committed", line
        network.wait_equal(places=honest)
        blocks = {network.get(place, "/v1/blocks/1")["hash"] for place in honest}
        assert len(blocks) == 1
        check_with_the_command(network, tmp_path, name, held[0][0]["id"], capsys)


def check_with_the_command(
    network: Network, folder: Path, name: str, identity: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the nodes, into a file, and from the file with the genesis alone."""
    exported, genesis = folder / "evidence.hne", str(folder / "genesis.json")
    (folder / "genesis.json").write_bytes(genesis_text(network.genesis))
    urls = [part for place in network.places[1:] for part in ("--node", place.url)]
    capsys.readouterr()
    assert run(["audit", "evidence", *urls, "--genesis", genesis, "--export", str(exported), "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)["evidence"]
    assert [(item["id"], item["accused"], len(item["held_by"])) for item in found] == [(identity, name, 3)]
    offline = ["audit", "evidence", str(exported), "--genesis", genesis]
    assert run(offline) == 0
    assert name in capsys.readouterr().out
    assert run([*offline, "--fail-on-evidence"]) == 1
    assert run(["audit", "evidence", "--fork", network.places[1].url, network.places[2].url, "--genesis", genesis]) == 2
    raw = exported.read_bytes()
    exported.write_bytes(raw[:-3] + bytes([raw[-3] ^ 1]) + raw[-2:])
    assert run(offline) == 2, "a changed file proves nothing"


async def equivocate(network: Network) -> None:
    """One legal block to node 1, another to nodes 2 and 3; then silence."""
    members = validator_set(network.genesis)
    status = network.get(network.places[1], "/v1/status")
    genesis_hash = Digest(bytes.fromhex(status["block_hash"]))
    context = EpochContext(Digest(network.chain_id), Epoch(0), members, Height(0), genesis_hash)
    now_ms = int(time.time() * 1000)
    key = vote_key(SEED, LIAR)
    for target in (1, 2, 3):
        header = Header(
            epoch=0, height=1, parent=genesis_hash, batches_root=batches_root(()), tx_root=tx_root(()), exec_height=0,
            state_root=bytes.fromhex(status["state_root"]), receipts_root=receipts_root(()), cert_height=0,
            cert_hash=ZERO_DIGEST, valset_hash=members.hash, next_valset_hash=None, time_ms=now_ms + (target == 1),
            proposer=LIAR,
        )  # fmt: skip
        draft = Proposal(0, Block(header, (), None), bytes(64))
        signature = key.sign(context.proposal_bytes(draft, header_digest(header)))
        peer = await RawPeer.connect(
            "127.0.0.1", network.places[target].peer_port, transport_identity(SEED, LIAR), members, network.chain_id,
            LIAR, NodeId(target),
        )  # fmt: skip
        peer.send(Proposal(0, draft.block, signature))
        await peer.writer.drain()
        await asyncio.sleep(0.05)
        peer.writer.close()
        await asyncio.wait_for(peer.closed(), 5)
