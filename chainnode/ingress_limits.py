"""The bounds of the binary ingress."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IngressLimits:
    """connections, in all and per address: later ones are closed at once. in_hand, bulks, octets: transactions, bulks
    and bytes of one connection that wait for their answer; above one of them the socket is not read. waiting: bytes of
    one address that wait for a worker; what comes then is refused unread. unread: bytes that a client may leave unread
    before it is cut off. patience_s: from the connection to its first whole frame, and for the rest of every frame.
    idle_s: without a frame and without an outcome to wait for. workers: small bulks, and large ones, that are decoded
    at a time (then they take ten times their bytes); the others wait as bytes, connections in turn."""

    connections: int = 64
    per_address: int = 16
    in_hand: int = 4096
    bulks: int = 64
    octets: int = 512 * 1024
    waiting: int = 256 * 1024
    unread: int = 4 * 1024 * 1024
    patience_s: float = 10.0
    idle_s: float = 300.0
    workers: int = 4
