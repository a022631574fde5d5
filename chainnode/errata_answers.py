"""Errata and challenges, as the API shows them; answered as in points_answers."""

from typing import Annotated, Final

import msgspec

from chainnode.backend import NodeBackend
from chainnode.calls import Answer, Call, Query, Route, json_answer, read_digest, read_identifier
from chainnode.points_answers import ask
from chainnode.problem import Refused
from points import queries_challenges, queries_errata
from primitives.codes import Code


class ErrataQuery(Query, frozen=True):
    """`after`: the `next` of the page before."""

    after: Annotated[str, msgspec.Meta(max_length=64)] = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50


async def get_errata(backend: NodeBackend, call: Call) -> Answer:
    """In order of the transactions that were corrected."""
    query: ErrataQuery = call.query
    after = read_digest(query.after, "after") if query.after else b""
    return json_answer(ask(backend, queries_errata.errata, after, query.limit))


async def get_erratum(backend: NodeBackend, call: Call) -> Answer:
    """Units credited and burned per class, uY booked, and the reason; for three years."""
    tx = read_digest(call.path["tx"], "transaction")
    plain = ask(backend, queries_errata.erratum, tx)
    if plain is None:
        raise Refused(Code.NOT_FOUND, f"nothing was corrected for {tx.hex()}", "query", status=404)
    return json_answer(plain)


async def get_challenges(backend: NodeBackend, call: Call) -> Answer:
    return json_answer({"items": ask(backend, queries_challenges.challenges)})


async def get_challenge(backend: NodeBackend, call: Call) -> Answer:
    """Who applied, how they were scored, who was awarded, and which milestones were anchored."""
    name = read_identifier(call.path["id"], "challenge")
    plain = ask(backend, queries_challenges.challenge, name)
    if plain is None:
        raise Refused(Code.CHALLENGE_UNKNOWN, f"no challenge {name!r}", "query", status=404)
    return json_answer(plain)


ROUTES: Final[tuple[Route, ...]] = (
    Route("GET", "/v1/errata", get_errata, "What the committee corrected, by transaction", ErrataQuery),
    Route("GET", "/v1/errata/{tx}", get_erratum, "What was corrected for a transaction: sums, reason, evidence"),
    Route("GET", "/v1/challenges", get_challenges, "Challenges of the committee, without their applicants"),
    Route("GET", "/v1/challenges/{id}", get_challenge, "A challenge: stage, applicants, scores, award, milestones"),
)
