"""Risk alerts and the report of the trial, as the API shows them; answered as in points_answers."""

from typing import Annotated, Any, Final, Literal

import msgspec

from chainnode.backend import NodeBackend
from chainnode.calls import Answer, Call, Query, Route, json_answer, read_address
from chainnode.points_answers import ask
from chainnode.problem import Refused
from chainnode.readers import block_second
from chainnode.record_view import open_state
from points import queries_risk
from primitives.codes import Code
from primitives.kinds_risk import RiskRule

Plain = Any
ALERTS_LISTED: Final = 1000


class AlertsQuery(Query, frozen=True):
    """`state`, `rule`: only these."""

    state: Literal["", "OPEN", "ACKED"] = ""
    rule: RiskRule | Literal[""] = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=ALERTS_LISTED)] = 200


async def get_alerts(backend: NodeBackend, call: Call) -> Answer:
    """Newest first; `value` and `limit` in the unit of the rule (docs: the points rules, section 4)."""
    query: AlertsQuery = call.query
    return json_answer(ask(backend, queries_risk.alerts, query.limit, query.state, query.rule))


class CauseQuery(Query, frozen=True):
    """`other`: the second merchant of CIRCULAR."""

    other: str = ""


async def get_alert(backend: NodeBackend, call: Call) -> Answer:
    """One alert by its cause; 404 once it is archived."""
    query: CauseQuery = call.query
    other = read_address(query.other) if query.other else b""
    plain = ask(backend, queries_risk.alert, call.path["rule"], read_address(call.path["subject"]), other)
    if plain is None:
        raise Refused(Code.ALERT_UNKNOWN, "no such alert", "query", status=404)
    return json_answer(plain)


def report_plain(backend: NodeBackend) -> Plain:
    """The report as of the newest block, with what identifies network and state."""
    genesis = backend.genesis
    with open_state(backend.chain) as state:
        plain = queries_risk.report(state.view, block_second(backend, state))
        head = state.head
    return {
        "network": genesis.name, "chain_id": backend.chain.chain_id.hex(), "filing": genesis.filing,
        "since": genesis.time, "height": head.height, "state_root": head.state_root.hex(), **plain,
    }  # fmt: skip


async def get_report(backend: NodeBackend, call: Call) -> Answer:
    """Amounts are fen; what ends in bps is 1/10000."""
    return json_answer(report_plain(backend))


ROUTES: Final[tuple[Route, ...]] = (
    Route("GET", "/v1/alerts", get_alerts, "Risk alerts, newest first", AlertsQuery),
    Route("GET", "/v1/alerts/{rule}/{subject}", get_alert, "One risk alert by its cause", CauseQuery),
    Route("GET", "/v1/report", get_report, "The figures by which the trial is judged, as of now"),
)
