"""A validator with a valid key that lies: its links are closed, the others commit as before."""

import asyncio
from pathlib import Path

import pytest

from chainnode.devnet_layout import transport_identity, vote_key
from chainnode.raw_peer import RawPeer
from chainnode.wire import FrameClass, encode_frame
from consensus.epochs import EpochContext
from consensus.messages import Summary, ViewChange, Vote
from primitives.block import Batch
from primitives.certificate import Phase, vote_bytes
from primitives.codec import encode
from primitives.genesis import validator_set
from primitives.hashing import Digest
from primitives.validators import Epoch, Height, NodeId
from tests.integration.local_network import SEED, Network, local_network

LIAR = NodeId(3)


def test_lies_of_a_validator_cost_it_its_links_and_nobody_else_anything(tmp_path: Path) -> None:
    with local_network(tmp_path, start=False) as network:
        honest = network.places[:3]
        for place in honest:
            network.devnet.start(place)
        network.devnet.wait_ready(honest)
        pids = [network.devnet.process(place) for place in honest]
        assert network.submit(honest[0], [network.issue("before")])[0]["status"] == "committed"
        asyncio.run(lie(network))
        for number in range(6):
            line = network.submit(honest[number % 3], [network.issue(f"after-{number}")], timeout_ms=3_000)[0]
            assert line["status"] == "committed", line
        assert [network.devnet.process(place) for place in honest] == pids, "a node died"
        views = {network.get(place, "/v1/status")["view"] for place in honest}
        assert views == {0}, f"a liar alone moved the others to view {views}"


async def lie(network: Network) -> None:
    """One lie per node; each must close the link. Before it a barrage of useless votes, which must change nothing."""
    members = validator_set(network.genesis)
    key = vote_key(SEED, LIAR)
    forged = bytearray(network.issue("forged"))
    forged[-1] ^= 1
    lies = (
        encode_frame(FrameClass.BATCH, encode(Batch(LIAR, 1, (bytes(forged),)))),
        encode_frame(FrameClass.VOTE, encode(Vote(Phase.PREPARE, 0, 0, 5, bytes(32), NodeId(1), bytes(64)))),
        (2**31).to_bytes(4, "big") + bytes([FrameClass.VOTE]) + b"much too long",
    )
    signed = vote_bytes(network.chain_id, 0, members.hash, Phase.PREPARE, 0, 10**9, bytes(32))
    far = Vote(Phase.PREPARE, 0, 0, 10**9, bytes(32), LIAR, key.sign(signed))
    for target, lie in enumerate(lies):
        peer = await connect(network, NodeId(target))
        for _ in range(200):
            peer.send(far)  # valid and useless: beyond every window, it must not be kept and not be answered
        peer.send_bytes(lie)
        await asyncio.wait_for(peer.closed(), 5)
        peer.close()


async def connect(network: Network, target: NodeId) -> RawPeer:
    return await RawPeer.connect(
        "127.0.0.1", network.places[target].peer_port, transport_identity(SEED, LIAR),
        validator_set(network.genesis), network.chain_id, LIAR, target,
    )  # fmt: skip


@pytest.mark.pitfall(25)
def test_one_validator_cannot_move_the_others_to_a_far_view(tmp_path: Path) -> None:
    """Pitfall 25: f signers may name any view; nobody moves (L2)."""
    with local_network(tmp_path, start=False) as network:
        honest = network.places[:3]
        for place in honest:
            network.devnet.start(place)
        network.devnet.wait_ready(honest)
        asyncio.run(name_a_far_view(network))
        for number in range(4):
            line = network.submit(honest[number % 3], [network.issue(f"n-{number}")], timeout_ms=3_000)[0]
            assert line["status"] == "committed", line
        assert {network.get(place, "/v1/status")["view"] for place in honest} == {0}


async def name_a_far_view(network: Network) -> None:
    members = validator_set(network.genesis)
    genesis_hash = bytes.fromhex(network.get(network.places[0], "/v1/blocks/0")["hash"])
    context = EpochContext(Digest(network.chain_id), Epoch(0), members, Height(0), Digest(genesis_hash))
    key = vote_key(SEED, LIAR)
    for view in (1, 2, 1000, 10**9):
        draft = Summary(0, view, -1, 0, genesis_hash, 0, genesis_hash, LIAR, bytes(64))
        signature = key.sign(context.summary_bytes(draft))
        message = ViewChange(Summary(0, view, -1, 0, genesis_hash, 0, genesis_hash, LIAR, signature), None)
        for target in range(3):
            peer = await connect(network, NodeId(target))
            peer.send(message)
            await asyncio.sleep(0.05)
            peer.writer.close()
            await asyncio.wait_for(peer.closed(), 5)
