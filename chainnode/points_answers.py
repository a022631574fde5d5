"""Accounts, merchants, classes, orders, holds and windows, as the API shows them.

Everything is answered from one snapshot, as of its block. "Now" is the node's clock, or that block's time where the
clock is a test clock: points expire by time even while no block is made.
"""

from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec
from msgspec.structs import replace

from chainnode.backend import NodeBackend
from chainnode.calls import (
    Answer,
    Call,
    NoQuery,
    Query,
    Route,
    json_answer,
    read_address,
    read_body,
    read_digest,
    read_identifier,
    read_number,
)
from chainnode.event_feed import read_cursor
from chainnode.history import account_history
from chainnode.problem import Refused
from chainnode.proof_answers import EpochNumber, ProvenQuery, add_proofs, proof_member, proven_account_plain
from chainnode.proofs import newest_certified
from chainnode.proven_states import evidence_of
from chainnode.quotes import ExchangeQuote, RedeemQuote, quote_exchange, quote_redeem
from chainnode.readers import Reader, block_second
from chainnode.record_view import StateMoment, open_state
from points import queries, queries_clearing
from points.invariants import violations
from points.queries_identity import recovery
from primitives.address import decode_address
from primitives.codes import Code
from primitives.receipt_form import receipt_to_plain

Plain = Any
NO_ACCOUNT: Final = "no account has this address"
NO_MERCHANT: Final = "no merchant has this address"
_PUBLIC_MEMBERS: Final = frozenset(
    ("merchant", "category", "status", "name_zh", "name_en", "wind_down_until")
)
Asked = Callable[..., Plain]  # a function of points.queries
WINDOWS_LISTED: Final = 64
PROVEN_ITEMS_MAX: Final = 25  # a proof hashes all receipts of its block again: up to some ms


class HistoryQuery(Query, frozen=True):
    """`cursor`: the `next` of the page before. `proof`: 1 adds to every item the file that proves its receipt, without
    the handovers before `epoch`; then at most PROVEN_ITEMS_MAX items."""

    cursor: str = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50
    proof: Annotated[int, msgspec.Meta(ge=0, le=1)] = 0
    epoch: EpochNumber = 0


class WindowQuery(Query, frozen=True):
    window: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None = None


def ask(backend: NodeBackend, query: Asked, *of: Any) -> Plain:
    """One query of the points rules as of the newest block; None: there is no such thing."""
    with open_state(backend.chain) as state:
        return query(state.view, block_second(backend, state), *of)


def _found(plain: Plain, code: Code, what: str) -> Plain:
    if plain is None:
        raise Refused(code, what, "query", status=404)
    return plain


async def get_account(backend: NodeBackend, call: Call) -> Answer:
    """With proof=1 as of `time_s` of the answer, an absent account included: its 404 holds the proof."""
    address = read_address(call.path["address"])
    query: ProvenQuery = call.query
    if not query.proof:
        return json_answer(_found(ask(backend, queries.account, address), Code.ACCOUNT_UNKNOWN, NO_ACCOUNT))
    plain, evidence = await proven_account_plain(backend, query, address)
    if plain is None:
        extra = proof_member(evidence)
        raise Refused(Code.ACCOUNT_UNKNOWN, NO_ACCOUNT, "query", status=404, extra=extra)
    return json_answer(plain | proof_member(evidence))


async def get_lots(backend: NodeBackend, call: Call) -> Answer:
    lots = ask(backend, queries.lots, read_address(call.path["address"]))
    return json_answer({"items": _found(lots, Code.ACCOUNT_UNKNOWN, NO_ACCOUNT)["lots"]})


async def get_expiring(backend: NodeBackend, call: Call) -> Answer:
    """What expires when, soonest first; `expires_at` is the first second at which it is gone."""
    rows = ask(backend, queries.expiring, read_address(call.path["address"]))
    items = [{"expires_at": row["expires"], **row} for row in _found(rows, Code.ACCOUNT_UNKNOWN, NO_ACCOUNT)]
    return json_answer({"items": items})


async def history_plain(backend: NodeBackend, address: bytes, query: HistoryQuery) -> Plain:
    """{"items", "next"}: receipts whose events name the account, newest first, with the kind of the first event."""
    before = read_cursor(query.cursor) if query.cursor else None
    page = await account_history(backend.chain, address, before, query.limit, of_blocks=not query.proof)
    items = []
    for receipt, time_ms in page.receipts:
        kind = receipt.events[0].kind if receipt.events else ""
        items.append({**receipt_to_plain(receipt), "kind": kind, "time_ms": time_ms})
    return {"items": items, "next": None if page.next is None else f"{page.next.height}.{page.next.index}"}


async def get_recovery(backend: NodeBackend, call: Call) -> Answer:
    """`ready_at`: the first second at which it may be finished, null while too few have approved."""
    plain = ask(backend, recovery, read_address(call.path["address"]))
    return json_answer(_found(plain, Code.ACCOUNT_UNKNOWN, NO_ACCOUNT))


async def get_history(backend: NodeBackend, call: Call) -> Answer:
    """With proof=1 only what a certified header covers, complete up to the exec_height of the header in `proof`."""
    query: HistoryQuery = call.query
    address = read_address(call.path["address"])
    if not query.proof:
        return json_answer(await history_plain(backend, address, query))
    certified = newest_certified(backend.chain)
    evidence = evidence_of(backend.chain, certified, query.epoch)
    cursor = query.cursor or f"{certified.headers[0].exec_height + 1}.0"
    query = replace(query, cursor=cursor, limit=min(query.limit, PROVEN_ITEMS_MAX))
    plain = await history_plain(backend, address, query)
    await add_proofs(backend, plain, query.epoch)
    return json_answer(plain | proof_member(evidence))


def _public_row(plain: Plain, reader: Reader) -> Plain:
    """What everybody may know of a merchant; all of it for who sees it."""
    if reader.sees(decode_address(plain["merchant"])):
        return plain
    return {name: value for name, value in plain.items() if name in _PUBLIC_MEMBERS}


def named(backend: NodeBackend, plain: Plain) -> Plain:
    """A merchant with its id and its names, which are those of genesis."""
    found = next((m for m in backend.genesis.merchants if queries.text(m.account) == plain["merchant"]), None)
    names = {"name_zh": found.name_zh, "name_en": found.name_en} if found else {"name_zh": "", "name_en": ""}
    return {"id": plain["merchant"], **names, **plain}


async def get_merchants(backend: NodeBackend, call: Call) -> Answer:
    rows = ask(backend, queries.merchants)
    return json_answer({"items": [named(backend, _public_row(plain, call.reader)) for plain in rows]})


async def get_merchant(backend: NodeBackend, call: Call) -> Answer:
    plain = ask(backend, queries.merchant, read_address(call.path["id"]))
    found = _found(plain, Code.MERCHANT_UNKNOWN, NO_MERCHANT)
    return json_answer(named(backend, _public_row(found, call.reader)))


async def get_exposure(backend: NodeBackend, call: Call) -> Answer:
    """fen: cap, outstanding, payable, room."""
    plain = ask(backend, queries.exposure, read_address(call.path["id"]))
    return json_answer(_found(plain, Code.MERCHANT_UNKNOWN, NO_MERCHANT))


async def get_ageing(backend: NodeBackend, call: Call) -> Answer:
    """Outstanding units of a merchant by class and expiry."""
    address = read_address(call.path["id"])
    _found(ask(backend, queries.merchant, address), Code.MERCHANT_UNKNOWN, NO_MERCHANT)
    return json_answer({"items": ask(backend, queries.ageing, address)})


async def get_classes(backend: NodeBackend, call: Call) -> Answer:
    return json_answer({"items": ask(backend, queries.classes)})


async def get_class(backend: NodeBackend, call: Call) -> Answer:
    id = read_identifier(call.path["id"], "class")
    return json_answer(_found(ask(backend, queries.class_, id), Code.CLASS_UNKNOWN, f"no class {id!r}"))


async def get_supply(backend: NodeBackend, call: Call) -> Answer:
    """Units of every class by what became of them (INV-1)."""
    return json_answer(ask(backend, queries.supply))


async def get_order(backend: NodeBackend, call: Call) -> Answer:
    merchant = read_address(call.path["merchant"])
    order_id = read_identifier(call.path["order_id"], "order_id")
    plain = ask(backend, queries.order, merchant, order_id)
    return json_answer(_found(plain, Code.ORDER_UNKNOWN, f"no order {order_id!r} of this merchant"))


async def get_hold(backend: NodeBackend, call: Call) -> Answer:
    plain = ask(backend, queries.hold, read_digest(call.path["id"], "hold"))
    return json_answer(_found(plain, Code.HOLD_UNKNOWN, "no hold has this id"))


async def get_windows(backend: NodeBackend, call: Call) -> Answer:
    rows = ask(backend, queries.windows)[:WINDOWS_LISTED]
    return json_answer({"items": [{"id": row["window"], **row} for row in rows]})


async def get_window(backend: NodeBackend, call: Call) -> Answer:
    id = read_number(call.path["id"], "window")
    plain = ask(backend, queries.window, id)
    return json_answer({"id": id, **_own_part(_found(plain, Code.WINDOW_UNKNOWN, f"no window {id}"), call.reader)})


def _own_part(plain: Plain, reader: Reader) -> Plain:
    """Tables by party or by "one->other" hold only what concerns the reader."""
    return {name: reader.own(value) if isinstance(value, dict) else value for name, value in plain.items()}


async def get_obligations(backend: NodeBackend, call: Call) -> Answer:
    """Gross uY by "debtor->creditor": of all windows that are not settled, or of one."""
    query: WindowQuery = call.query
    plain = ask(backend, queries.obligations, query.window)
    return json_answer(call.reader.own(_found(plain, Code.WINDOW_UNKNOWN, f"no window {query.window}")))


async def get_fund(backend: NodeBackend, call: Call) -> Answer:
    """fen: what the clearing fund received, had to pay and advanced, and what is available."""
    return json_answer(ask(backend, queries_clearing.fund))


async def get_losses(backend: NodeBackend, call: Call) -> Answer:
    """Losses of a defaulted window that its creditors share, and what came back; fen."""
    id = read_number(call.path["id"], "window")
    plain = ask(backend, queries_clearing.losses, id)
    return json_answer({"id": id, **_own_part(_found(plain, Code.WINDOW_UNKNOWN, f"no window {id}"), call.reader)})


async def get_shared(backend: NodeBackend, call: Call) -> Answer:
    """What merchants owe each other in this window because they share losses of earlier ones."""
    rows = ask(backend, queries_clearing.shared, read_number(call.path["id"], "window"))
    own = [r for r in rows if call.reader.sees(decode_address(r["debtor"]), decode_address(r["creditor"]))]
    return json_answer({"items": own})


async def get_breakage(backend: NodeBackend, call: Call) -> Answer:
    """What expired of a merchant's classes, by month of UTC+8."""
    rows = ask(backend, queries_clearing.breakage, read_address(call.path["id"]))
    return json_answer({"items": _found(rows, Code.MERCHANT_UNKNOWN, NO_MERCHANT)})


def _quoting(of: type, quote: Callable[[StateMoment, int, Any], Plain]) -> Any:
    async def post(backend: NodeBackend, call: Call) -> Answer:
        asked = read_body(of, call)
        with open_state(backend.chain) as state:
            return json_answer(quote(state, block_second(backend, state), asked))

    post.__name__ = f"post_{quote.__name__}"
    return post


def invariants_plain(backend: NodeBackend) -> Plain:
    """{"height", "violations"}: the invariants recomputed from the whole state."""
    with open_state(backend.chain) as state:
        found = list(violations(state.view, block_second(backend, state)))
        return {"height": state.head.height, "state_root": state.head.state_root.hex(), "violations": found}


ROUTES: Final[tuple[Route, ...]] = (
    Route("GET", "/v1/accounts/{address}", get_account, "An account: spendable, pending and held, in fen and by class",
          ProvenQuery),
    Route("GET", "/v1/accounts/{address}/lots", get_lots, "Its points by expiry, in order of spending"),
    Route("GET", "/v1/accounts/{address}/expiring", get_expiring, "What expires when"),
    Route("GET", "/v1/accounts/{address}/recovery", get_recovery, "Its guardians, and keys proposed for it"),
    Route("GET", "/v1/accounts/{address}/history", get_history, "What happened to it, newest first", HistoryQuery),
    Route("GET", "/v1/merchants", get_merchants, "All merchants"),
    Route("GET", "/v1/merchants/{id}", get_merchant, "A merchant by its address"),
    Route("GET", "/v1/merchants/{id}/exposure", get_exposure, "Its cap, outstanding points, debts and room, in fen"),
    Route("GET", "/v1/merchants/{id}/ageing", get_ageing, "Its outstanding units by class and expiry"),
    Route("GET", "/v1/classes", get_classes, "All classes of points"),
    Route("GET", "/v1/classes/{id}", get_class, "A class of points and its supply in units"),
    Route("GET", "/v1/supply", get_supply, "Units of every class by what became of them"),
    Route("GET", "/v1/orders/{merchant}/{order_id}", get_order, "An order of a merchant"),
    Route("GET", "/v1/holds/{id}", get_hold, "A hold (pre-authorisation)"),
    Route("GET", "/v1/windows", get_windows, "Settlement windows, newest first"),
    Route("GET", "/v1/windows/{id}", get_window, "A settlement window with its nets and payments"),
    Route("GET", "/v1/windows/{id}/losses", get_losses, "Losses of its defaults that creditors share, in fen"),
    Route("GET", "/v1/windows/{id}/shared", get_shared, "Debts of this window that share losses of earlier ones"),
    Route("GET", "/v1/fund", get_fund, "What the clearing fund can spend on a default, in fen"),
    Route("GET", "/v1/merchants/{id}/breakage", get_breakage, "What expired of its classes, by month"),
    Route("GET", "/v1/obligations", get_obligations, "Who owes whom, gross, in uY", WindowQuery),
    Route("POST", "/v1/quotes/redeem", _quoting(RedeemQuote, quote_redeem), "What a payment would take",
          NoQuery, RedeemQuote),
    Route("POST", "/v1/quotes/exchange", _quoting(ExchangeQuote, quote_exchange), "What an exchange would give",
          NoQuery, ExchangeQuote),
)  # fmt: skip
