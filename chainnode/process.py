"""The process around a node: checks before anything is written, JSON log lines, signals, and an exit code."""

import asyncio
import gc
import ipaddress
import json
import logging
import os
import resource
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from chainnode.code_form import CODE_FORM
from chainnode.config import NodeConfig, load_config, read_secret
from chainnode.eight_lanes import find as find_eight_lanes
from chainnode.failures import BadConfiguration, NodeFailure, PortTaken
from chainnode.fork_file import check_no_fork
from chainnode.genesis_file import genesis_changes, read_genesis
from chainnode.handshake import TransportIdentity, identity_of
from chainnode.listening_ports import holder_of, is_free
from chainnode.membership import place_at
from chainnode.node import Node
from chainnode.state_cache import StateCache
from chainnode.voting_keys import adopt_key, read_keys
from ledger.data_directory import initialise, lock_holder, open_data_directory
from ledger.failures import FatalError
from primitives.genesis import Genesis, chain_id, validator_set
from primitives.keys import SigningKey, self_check
from primitives.validators import ValidatorSet

LOG: Final = logging.getLogger(__name__)
FIELD_CHARS_MAX: Final = 512  # a log line must not become the attack (T30)
EXIT_BUG: Final = 70
# Objects more than before, young collections, middle ones: each stops everything, also votes. More objects than the
# blocks in flight hold alive, 100 operations in every envelope: what goes with its block is not looked through.
COLLECT_AFTER: Final = (200_000, 5, 50)


class JsonLines(logging.Formatter):
    """One JSON object per line; no key, body or signature is ever given to it."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "room": record.name,
            "text": record.getMessage()[: 16 * FIELD_CHARS_MAX],
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)[-8 * FIELD_CHARS_MAX :]
        return json.dumps(line, ensure_ascii=False)


def start_logging(level: str) -> None:
    """JSON lines on stderr. Raises: BadConfiguration for an unknown level."""
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise BadConfiguration(f"log_level {level!r}, expected debug, info, warning or error")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=number, handlers=[handler], force=True)


def read_identity(config: NodeConfig) -> tuple[tuple[SigningKey, ...], TransportIdentity]:
    """The node's voting keys and its transport identity, from their files alone. Raises: BadConfiguration."""
    keys = read_keys(Path(config.vote_key))
    try:
        pem = Path(config.transport_key).read_bytes()
        return keys, identity_of(config.name, pem)
    except OSError as error:
        raise BadConfiguration(f"transport key {config.transport_key}: {error.strerror}") from error
    except ValueError as error:
        raise BadConfiguration(f"transport key {config.transport_key}: not an Ed25519 key in PEM: {error}") from error


def check_seat(config: NodeConfig, members: ValidatorSet, keys: Sequence[SigningKey], identity: TransportIdentity,
               where: str) -> TransportIdentity:  # fmt: skip
    """The transport identity with the certificate of the own seat, if the node has one.

    A node without a seat is an observer and waits for one; one that bears a validator's name but not its keys is a
    mistake, unless the configuration says `observer = true` (a new machine that waits). Raises: BadConfiguration.
    """
    seats = [seat for key in keys if (seat := members.index_of(key.public_key)) is not None]
    if seats:
        member = members.at(seats[0])
        if member.name != config.name:
            raise BadConfiguration(
                f"the vote key is of validator {member.name!r}, the configuration says {config.name!r}"
            )
        return TransportIdentity(member.transport_certificate, identity.key_pem)
    if not config.observer:
        raise BadConfiguration(f"the vote key {keys[0].public_key.hex()} is of no validator in {where}; a node that "
                               "waits for a seat says observer = true")  # fmt: skip
    return identity


def check_peers(config: NodeConfig) -> None:
    """That every address parses; names may be of later epochs. Raises: BadConfiguration."""
    for name, address in config.peers.items():
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise BadConfiguration(f"[peers] {name} = {address!r}, expected host:port")


def check_private(config: NodeConfig, genesis: Genesis) -> None:
    """That the admin listener stays on this machine, and with a test clock every listener for users (C14).

    Raises: BadConfiguration with the section.
    """
    private = [("admin", config.admin.host, "the admin listener")]
    if genesis.test_clock:
        private.append(("http", config.http.host, "a network with a test clock"))
        if config.ingress is not None:
            private.append(("ingress", config.ingress.host, "a network with a test clock"))
    for section, host, what in private:
        if not _is_loopback(host):
            raise BadConfiguration(f"[{section}] host {host!r}: {what} listens on loopback only, such as 127.0.0.1")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_free(config: NodeConfig) -> None:
    """That nobody uses the directory or one of the ports, before anything is written.

    Raises: BadConfiguration or PortTaken, with the holder where the system tells.
    """
    user = lock_holder(Path(config.data))
    if user is not None:
        raise BadConfiguration(f"{config.data} is in use by {user}")
    doors = [("peer", config.peer.host, config.peer.port), ("http", config.http.host, config.http.port),
             ("admin", config.admin.host, config.admin.port)]  # fmt: skip
    if config.ingress is not None:
        doors.append(("ingress", config.ingress.host, config.ingress.port))
    for section, host, port in doors:
        if port and not is_free(port, host):
            holder = holder_of(port)
            raise PortTaken(f"[{section}] {host}:{port} is taken{' by ' + holder if holder else ''}")


def init(config_path: Path) -> int:
    """Make the data directory of a configuration at height 0. Returns: the exit code; what failed is on stderr."""
    try:
        config = load_config(config_path)
        genesis = read_genesis(config.genesis)
        keys, identity = read_identity(config)
        check_seat(config, validator_set(genesis), keys, identity, config.genesis)
        check_peers(config)
        initialise(Path(config.data), genesis, genesis_changes(genesis))
    except (NodeFailure, FatalError) as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def run(config_path: Path) -> int:
    """Run the node of a configuration until SIGTERM, SIGINT or a failure. Returns: the exit code (0, 2, 70, 74, 75)."""
    try:
        if __debug__ is False:
            raise BadConfiguration("python -O removes the checks for bugs: start without it")
        config = load_config(config_path)
        start_logging(config.log_level)
        fault = self_check()
        if fault is not None:
            raise BadConfiguration(f"{fault}: this build must not verify signatures")
        find_eight_lanes(config.lanes)  # a verifier that differs ends the start before anything is opened
        genesis = read_genesis(config.genesis)
        keys, identity = read_identity(config)
        check_peers(config)
        token = read_secret(config.admin.token, "admin token")
        check_private(config, genesis)
        check_free(config)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold the voting key (T30)
        check_no_fork(Path(config.data))
        data = open_data_directory(Path(config.data), genesis, config.ledger_mapped_mib)
        try:
            place = place_at(genesis, data.chain, StateCache(data.chain.state()), keys)
            identity = check_seat(config, place.members, keys, identity, f"epoch {place.context.epoch}")
            if place.key is not None:  # a crash at the start of the epoch, or a resync into it, left both keys there
                adopt_key(Path(config.vote_key), place.key)
            asyncio.run(_serve(Node(config, genesis, data, keys, identity, token)))
        finally:
            data.close()
    except (NodeFailure, FatalError) as error:
        LOG.critical("%s", error)
        print(error, file=sys.stderr)
        return error.exit_code
    except Exception:
        LOG.critical("a bug ended the node", exc_info=True)
        return EXIT_BUG
    return 0


async def _serve(node: Node) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, node.stop)
    LOG.info(
        "node %s of chain %s starts at height %d, pid %d, code %s",
        node.config.name, chain_id(node.genesis).hex(), node.chain.head.height, os.getpid(), CODE_FORM,
    )  # fmt: skip
    gc.collect()
    gc.freeze()  # what stands now stays: no collection looks through it again
    gc.set_threshold(*COLLECT_AFTER)
    await node.run()
    LOG.info("node %s stopped at height %d", node.config.name, node.chain.head.height)
