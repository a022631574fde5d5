"""The folder of a new node: its keys, its admin token and node.toml."""

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cli.language import t
from cli.verdicts import usage
from primitives.json_form import to_plain
from primitives.keys import SigningKey
from primitives.validators import Validator


def make_keys(
    name: str, directory: Path, port_base: int, observer: bool = False, peers: Mapping[str, str] | None = None
) -> Any:
    """Fresh keys and a configuration in a new folder; the genesis and the data directory are still missing.

    Returns: the public entry for a validator set, as JSON builtins. Raises: Refusal (exit 2) if something is there.
    """
    from chainnode.config import (
        AdminSection,
        HttpSection,
        IngressSection,
        NodeConfig,
        PeerSection,
        write_config,
        write_secret,
    )
    from chainnode.devnet import write_private
    from chainnode.handshake import create_identity

    if directory.exists() and any(directory.iterdir()):
        raise usage(t(f"{directory} exists and is not empty", f"{directory} 已存在且非空"))
    seed = secrets.token_bytes(32)
    identity = create_identity(name, secrets.token_bytes(32))
    config = NodeConfig(
        name=name, genesis="genesis.json", data="data", vote_key="vote.key", transport_key="transport.pem",
        peer=PeerSection(port=port_base), http=HttpSection(port=port_base + 1),
        admin=AdminSection(port=port_base + 2, token="admin.token"),  # noqa: S106  (a file's name)
        ingress=IngressSection(port=port_base + 3), peers=dict(peers or {}), observer=observer,
    )  # fmt: skip
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_secret(directory / "vote.key", seed)
    write_secret(directory / "admin.token", secrets.token_bytes(32))
    write_private(directory / "transport.pem", identity.key_pem)
    write_config(directory / "node.toml", config)
    return to_plain(Validator(name, SigningKey.from_seed(seed).public_key, identity.certificate))
