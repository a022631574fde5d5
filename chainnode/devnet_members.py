"""A further node for a local network: its folder and keys, and what an operator signs to give it a seat."""

import os
import secrets
from pathlib import Path

import msgspec

from chainnode.config import write_config, write_secret
from chainnode.devnet import MARK, Devnet, DevnetFile, initialise_data, open_devnet, write_private
from chainnode.devnet_layout import NodePlace, node_config, transport_identity, vote_key
from chainnode.failures import BadConfiguration
from primitives.genesis import Genesis, chain_id
from primitives.kinds_validators import ValidatorAdd
from primitives.validators import VALIDATORS_MAX, vote_key_digest


def add_node(devnet: Devnet, genesis: Genesis, ports: tuple[int, int, int, int]) -> tuple[Devnet, NodePlace]:
    """The network with one more folder; the node is an observer until a transaction gives it a seat (C8).

    `ports`: peer, HTTP, admin, ingress. Raises: BadConfiguration if the network has as many nodes as seats.
    """
    index = 1 + max(place.index for place in devnet.places)
    if index >= VALIDATORS_MAX:
        raise BadConfiguration(f"{index} nodes already, limit {VALIDATORS_MAX}")
    place = NodePlace(index, f"node{index}", *ports)
    seed = bytes.fromhex(devnet.file.seed)
    folder = devnet.folder(place)
    folder.mkdir(mode=0o700)
    write_secret(folder / "vote.key", vote_key(seed, index).seed)
    write_secret(folder / "admin.token", secrets.token_bytes(32))
    write_private(folder / "transport.pem", transport_identity(seed, index).key_pem)
    config = msgspec.structs.replace(node_config(place, (*devnet.places, place)), observer=True)
    write_config(folder / "node.toml", config)
    initialise_data(folder / "node.toml", genesis)
    _replace(devnet.directory / MARK, msgspec.structs.replace(devnet.file, places=(*devnet.places, place)))
    return open_devnet(devnet.directory), place


def membership_of(devnet: Devnet, place: NodePlace, genesis: Genesis) -> ValidatorAdd:
    """The body that asks for a seat for this node, with the proof that it holds its voting key."""
    seed = bytes.fromhex(devnet.file.seed)
    key = vote_key(seed, place.index)
    possession = key.sign(vote_key_digest(chain_id(genesis), place.name, key.public_key))
    certificate = transport_identity(seed, place.index).certificate
    return ValidatorAdd(place.name, key.public_key, certificate, f"127.0.0.1:{place.peer_port}", possession)


def _replace(path: Path, file: DevnetFile) -> None:
    following = path.with_name(path.name + ".next")
    following.unlink(missing_ok=True)
    write_private(following, msgspec.json.format(msgspec.json.encode(file), indent=1))
    os.replace(following, path)
