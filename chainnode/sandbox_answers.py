"""Regulatory sandboxes and the emergency pause, as the API shows them; answered as in points_answers."""

from typing import Any, Final

from chainnode.backend import NodeBackend
from chainnode.calls import Answer, Call, Route, json_answer, read_address, read_identifier
from chainnode.points_answers import ask
from chainnode.problem import Refused
from chainnode.readers import Reader
from points import queries_sandboxes
from primitives.address import decode_address
from primitives.codes import Code

Plain = Any
_OF_MERCHANT: Final = "merchant_reserve"  # its row of merchants hides it too


def _unknown(name: str) -> Refused:
    return Refused(Code.SANDBOX_UNKNOWN, f"no sandbox {name!r}", "query", status=404)


def _shown(plain: Plain, reader: Reader) -> Plain:
    """The report is for everybody; what the merchant keeps beside its trial is not."""
    return plain if reader.sees(decode_address(plain["merchant"])) else {**plain, _OF_MERCHANT: None}


async def get_sandboxes(backend: NodeBackend, call: Call) -> Answer:
    """At most 64; one leaves when it is over and no order of it can be refunded any more."""
    rows = ask(backend, queries_sandboxes.sandboxes)
    return json_answer({"items": [_shown(plain, call.reader) for plain in rows]})


async def get_sandbox(backend: NodeBackend, call: Call) -> Answer:
    """The report of a trial: its caps, its state, what was granted, spent, refunded, and what expired. Fen."""
    name = read_identifier(call.path["id"], "sandbox")
    plain = ask(backend, queries_sandboxes.sandbox, name)
    if plain is None:
        raise _unknown(name)
    return json_answer(_shown(plain, call.reader))


async def get_enrolled(backend: NodeBackend, call: Call) -> Answer:
    name = read_identifier(call.path["id"], "sandbox")
    plain = ask(backend, queries_sandboxes.enrolled, name, read_address(call.path["address"]))
    if plain is None:
        raise _unknown(name)
    return json_answer(plain)


async def get_pause(backend: NodeBackend, call: Call) -> Answer:
    return json_answer(ask(backend, queries_sandboxes.pause))


ROUTES: Final[tuple[Route, ...]] = (
    Route("GET", "/v1/sandboxes", get_sandboxes, "Regulatory sandboxes, with their reports"),
    Route("GET", "/v1/sandboxes/{id}", get_sandbox, "A sandbox: caps, state, and what it has come to"),
    Route("GET", "/v1/sandboxes/{id}/accounts/{address}", get_enrolled, "Whether an account takes part in a sandbox"),
    Route("GET", "/v1/pause", get_pause, "The emergency pause: whether one is in force, and until when"),
)
