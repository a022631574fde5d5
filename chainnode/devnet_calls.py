"""Requests to the nodes of a local network: short, synchronous, over loopback."""

import http.client
from typing import Any, Final

import msgspec

from chainnode.listening_ports import LOOPBACK

SECONDS: Final = 5.0
Plain = Any


class NoAnswer(Exception):
    """The node does not answer: not started, stopped, paused, or too busy."""


class Refused(Exception):
    """The node answered with a problem; `problem` is its document."""

    def __init__(self, status: int, problem: Plain) -> None:
        super().__init__(f"HTTP {status}: {problem}")
        self.status = status
        self.problem = problem if isinstance(problem, dict) else {}


def call(port: int, method: str, path: str, body: Plain = None, token: str = "", seconds: float = SECONDS) -> Plain:
    """The JSON of an answer with status 200 or 202.

    Raises: NoAnswer; Refused for any other status.
    """
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=seconds)
    headers = {"Connection": "close", "Accept": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    raw_body = None
    if body is not None:
        headers["Content-Type"] = "application/json"
        raw_body = msgspec.json.encode(body)
    try:
        connection.request(method, path, raw_body, headers)
        response = connection.getresponse()
        raw = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise NoAnswer(f"port {port}: {error}") from error
    finally:
        connection.close()
    try:
        plain = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NoAnswer(f"port {port}: HTTP {response.status}, not JSON") from error
    if response.status not in (200, 202):
        raise Refused(response.status, plain)
    return plain
