"""The committee and its proposals, as the API shows them."""

from typing import Any, Final

from chainnode.backend import NodeBackend
from chainnode.calls import Answer, Call, Route, json_answer, read_identifier
from chainnode.points_answers import ask
from chainnode.problem import Refused
from chainnode.readers import Reader
from points import queries_governance
from points.state import Role
from primitives.codes import Code

Plain = Any
_OF_PARTIES: Final = ("original", "entries")  # of an erratum: an id opens a payment, an entry names its tourist


def _shown(plain: Plain, reader: Reader) -> Plain:
    """What the committee decides, everybody may know; which payment it corrects, who decides, and who reads all."""
    if plain["action"] != "errata" or reader.sees_all or reader.offices & Role.COMMITTEE:
        return plain
    return {**plain, "payload": {**plain["payload"], **dict.fromkeys(_OF_PARTIES)}}


async def get_proposals(backend: NodeBackend, call: Call) -> Answer:
    """Open ones, and those decided in the last days, in order of their ids; at most 16 per member exist."""
    rows = ask(backend, queries_governance.proposals)
    return json_answer({"items": [_shown(plain, call.reader) for plain in rows]})


async def get_proposal(backend: NodeBackend, call: Call) -> Answer:
    proposal = read_identifier(call.path["id"], "proposal")
    plain = ask(backend, queries_governance.proposal, proposal)
    if plain is None:
        raise Refused(Code.PROPOSAL_UNKNOWN, f"no proposal {proposal!r}", "query", status=404)
    return json_answer(_shown(plain, call.reader))


async def get_committee(backend: NodeBackend, call: Call) -> Answer:
    return json_answer(ask(backend, queries_governance.committee))


async def get_offices(backend: NodeBackend, call: Call) -> Answer:
    return json_answer({"items": ask(backend, queries_governance.offices)})


ROUTES: Final[tuple[Route, ...]] = (
    Route("GET", "/v1/proposals", get_proposals, "Proposals of the committee, without their votes"),
    Route("GET", "/v1/proposals/{id}", get_proposal, "A proposal: its payload, its votes, what it still needs"),
    Route("GET", "/v1/committee", get_committee, "Who votes, and with what weight"),
    Route("GET", "/v1/offices", get_offices, "Operators, regulators, custodians, attesters and auditors"),
)
