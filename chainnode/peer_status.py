"""One line about a peer, for people and metrics."""

from typing import NamedTuple

from primitives.validators import NodeId


class PeerStatus(NamedTuple):
    """How things stand with one other validator."""

    node: NodeId
    name: str
    sending: bool  # our link to it is open
    hearing: bool  # its link to us is open
    waiting_bytes: int
    dropped: int
    round_trip_ms: float | None
    banned_seconds: float
    last_fault: str
