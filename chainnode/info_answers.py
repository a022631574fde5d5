"""What anybody may know of a network before he uses it: who registered it, how long it runs, what it keeps."""

from typing import Final

from chainnode.backend import NodeBackend
from chainnode.calls import Answer, Call, Route, record_answer
from chainnode.readers import block_second
from chainnode.record_view import open_state
from points.anchors import ANCHOR_DAYS
from points.days import DAY_SECONDS
from points.keys import PARAMS_KEY
from points.risk_records import ALERT_SECONDS
from points.told import TOLD_SECONDS
from primitives.codec import U64, Bytes32, Record
from primitives.genesis import Parameters


class RetentionAnswer(Record):
    """Days for which the state remembers; the blocks keep what happened for as long as the operators keep blocks."""

    orders: U64  # after the order; also closed holds, and windows after they are settled
    anchors: U64
    alerts: U64  # after the cause was last seen
    events: U64  # of time and epochs; those of transactions stand in their receipts


class InfoAnswer(Record):
    network: str
    chain_id: Bytes32
    version: str
    filing: str  # the record number of the operator (备案号); empty: none
    since: U64  # genesis, unix seconds
    time: U64
    height: U64
    program_end: U64 | None  # from this second on nothing is issued
    ended: bool
    retention_days: RetentionAnswer
    test_clock: bool


async def get_info(backend: NodeBackend, call: Call) -> Answer:
    """As of the newest block."""
    genesis = backend.genesis
    with open_state(backend.chain) as state:
        params: Parameters = state.view.get(PARAMS_KEY) or genesis.parameters
        time, height = block_second(backend, state), state.head.height
    end = params.program_end
    orders = max(params.refund_window_days, params.return_window_days)
    retention = RetentionAnswer(orders, ANCHOR_DAYS, ALERT_SECONDS // DAY_SECONDS, TOLD_SECONDS // DAY_SECONDS)
    return record_answer(
        InfoAnswer(
            genesis.name, backend.chain.chain_id, backend.status().version, genesis.filing, genesis.time, time, height,
            end or None, bool(end and time >= end), retention, genesis.test_clock,
        )
    )  # fmt: skip


ROUTES: Final[tuple[Route, ...]] = (
    Route("GET", "/v1/info", get_info, "The network: filing number, end of the programme, what is kept how long",
          answers=InfoAnswer),
)  # fmt: skip
