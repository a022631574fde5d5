"""The genesis of a node: its file, and the state it begins with.

Commands that need no more of a node (resync, snapshot, the audits) take it from here: importing the node itself would
cost them longer than much of their work.
"""

from pathlib import Path

from chainnode.failures import BadConfiguration
from points.state import encode_value
from points.transition import genesis_state
from primitives.codec import Malformed
from primitives.genesis import Genesis, load_genesis


def genesis_changes(genesis: Genesis) -> dict[bytes, bytes]:
    """The whole state at height 0."""
    return {key: encode_value(record) for key, record in genesis_state(genesis).items() if record is not None}


def read_genesis(path: str) -> Genesis:
    """The genesis file. Raises: BadConfiguration with the path of the faulty field."""
    try:
        return load_genesis(Path(path).read_bytes())
    except OSError as error:
        raise BadConfiguration(f"genesis {path}: {error.strerror}") from error
    except Malformed as error:
        raise BadConfiguration(f"{path}: {error}") from error
