"""kill -9 of all four validators at once: the chain goes on by itself, and what was acknowledged is there, once."""

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from chainnode.devnet_layout import NodePlace, transport_identity, vote_key
from chainnode.ledger_audit import audit_config
from chainnode.raw_peer import RawPeer
from chainnode.wire import FrameClass, decode_message
from consensus.messages import Proposal, Status, Vote
from primitives.block import header_digest
from primitives.certificate import Phase, vote_bytes
from primitives.genesis import validator_set
from primitives.keys import Signature
from primitives.validators import NodeId
from tests.integration.local_network import SEED, Load, Network, local_network

CUTS = 10
SESSION = bytes(15) + b"\x01"


def check_acknowledged(
    network: Network, acknowledged: dict[str, tuple[int, int]], places: Sequence[NodePlace] = ()
) -> None:
    for place in places or network.places:
        for identity, (height, index) in acknowledged.items():
            found = network.get(place, f"/v1/transactions/{identity}")
            assert found["status"] == "committed", (place.name, found)
            assert (found["receipt"]["height"], found["receipt"]["index"]) == (height, index), (place.name, found)


def check_nothing_twice(network: Network, units_each: int = 1, others: int = 0) -> int:
    """Every committed issue counts once: the class's counter equals the distinct committed ids of the chain.

    `others`: how many committed transactions are no issues.
    """
    committed: set[str] = set()
    head = network.height(network.places[0])
    for height in range(1, head + 1):
        for mention in network.get(network.places[0], f"/v1/blocks/{height}?limit=1000")["transactions"]:
            if mention["code"] == "OK":
                assert mention["id"] not in committed, f"{mention['id']} committed twice"
                committed.add(mention["id"])
    supply = network.get(network.places[0], "/v1/classes/hotel")
    assert int(supply["issued"]) == units_each * (len(committed) - others), (supply, len(committed))
    return len(committed)


def test_ten_power_cuts_under_load(tmp_path: Path) -> None:
    dice = random.Random(20261122)
    with local_network(tmp_path) as network:
        acknowledged: dict[str, tuple[int, int]] = {}
        for cut in range(CUTS):
            with Load(network, prefix=f"C{cut}") as load:
                load.wait_acknowledged(dice.randrange(1, 60))
                network.kill_all()
            assert load.acknowledged, "the cut came before the first acknowledgement"
            acknowledged.update(load.acknowledged)
            network.start_all()
            again = network.submit(network.places[cut % 4], [network.issue(f"after-{cut}")])
            assert again[0]["status"] == "committed", again
            acknowledged[again[0]["id"]] = (again[0]["height"], again[0]["index"])
            network.wait_equal()
        check_acknowledged(network, acknowledged)
        committed = check_nothing_twice(network)
        assert committed >= len(acknowledged)
        network.devnet.stop()
        audit_everything(network)


def audit_everything(network: Network) -> None:
    """Each node's ledger alone: links, certificates, roots, and a replay from genesis that gives every state root."""
    roots = set()
    for place in network.places:
        found = audit_config(network.devnet.folder(place) / "node.toml", lambda height, stop: None)
        assert found["ok"], (place.name, found)
        roots.add((found["height"], found["state_root"]))
    assert len(roots) == 1, roots


@pytest.mark.pitfall(16, 40, 44)
def test_power_cut_between_a_quorum_of_prepares_and_the_commit(tmp_path: Path) -> None:
    """Two real validators and the test as a third make the PREPARE quorum; its COMMIT never comes, nor does a fourth.

    So the two hold a lock on a block that nobody decided. After the power cut all four must decide this very block:
    its hash, at its height (C1, S4, pitfalls 16 and 40). The third seat, whose key signed a PREPARE that its own
    directory knows nothing of, follows and signs nothing (pitfall 44).
    """
    with local_network(tmp_path, start=False) as network:
        block_hash, raw = asyncio.run(lock_without_commit(network))
        for place in network.places[:2]:
            assert network.devnet.kill(place)
        keepers = (*network.places[:2], network.places[3])
        for place in keepers:
            network.devnet.start(place)
        network.devnet.wait_ready(keepers)
        answer = network.submit(network.places[3], [raw])
        assert answer[0]["status"] == "committed" and answer[0]["height"] == 1, answer
        network.devnet.start(network.places[2])
        network.devnet.wait_answering(network.places[2:3])
        network.wait_equal()
        for place in network.places:
            assert network.get(place, "/v1/blocks/1")["hash"] == block_hash.hex()
        assert check_nothing_twice(network) == 1
        forgetful = network.get(network.places[2], "/v1/status")
        assert forgetful["role"] == "abstaining" and "signs nothing" in forgetful["reason"], forgetful


async def lock_without_commit(network: Network) -> tuple[bytes, bytes]:
    """(hash of the locked block, the transaction in it); the nodes 0 and 1 have both signed COMMIT for it."""
    me, members = NodeId(2), validator_set(network.genesis)
    identity = transport_identity(SEED, me)
    server, _, accepted = await RawPeer.accept(
        identity, members, network.chain_id, me, network.places[me].peer_port, SESSION
    )
    for place in network.places[:2]:
        network.devnet.start(place)
    heard = [await asyncio.wait_for(accepted.get(), 20) for _ in range(2)]
    voices = [
        await RawPeer.connect(
            "127.0.0.1", network.places[i].peer_port, identity, members, network.chain_id, me, NodeId(i), SESSION
        )
        for i in range(2)
    ]  # fmt: skip
    for voice in voices:
        voice.send(Status(0, 0, True, 0, 0, ()))  # both are on probation until two others have spoken
    raw = network.issue("locked")
    await asyncio.to_thread(network.devnet.wait_ready, network.places[:2])
    lines = await asyncio.to_thread(network.submit, network.places[0], [raw], "admitted")
    assert lines[0]["status"] == "pending", lines
    digest = b""
    commits: set[int] = set()

    async def listen(peer: RawPeer) -> None:
        nonlocal digest
        while len(commits) < 2:
            frame = await peer.read_frame()
            assert frame is not None, "a node closed the link"
            if frame.frame_class not in (FrameClass.VOTE, FrameClass.PROPOSAL):
                continue
            message = decode_message(frame)
            if isinstance(message, Proposal) and not digest:
                digest = header_digest(message.block.header)
                signed = vote_bytes(network.chain_id, 0, members.hash, Phase.PREPARE, message.view, 1, digest)
                signature: Signature = vote_key(SEED, me).sign(signed)
                for voice in voices:
                    voice.send(Vote(Phase.PREPARE, 0, message.view, 1, digest, me, signature))
            if isinstance(message, Vote) and message.phase is Phase.COMMIT and message.digest == digest:
                commits.add(message.signer)

    async with asyncio.timeout(20):
        listeners = [asyncio.create_task(listen(peer)) for peer in heard]
        while len(commits) < 2:
            done, _ = await asyncio.wait(listeners, timeout=0.05, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        for task in listeners:
            task.cancel()
    for peer in (*heard, *voices):
        peer.close()
    server.close()
    return digest, raw
