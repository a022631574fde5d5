"""Who may read what on a node whose reads are scoped (2.12): one row per route, and the check of it.

tourist: its own account, orders, holds and history; merchant: its own orders, legs, exposure and statement; regulator
and auditor: everything. A transaction id is 256 bits that nobody can guess: who knows one may ask what became of it and
have it proven, and no public answer lists ids. A route without a row is for regulator and auditor only.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from chainnode.backend import NodeBackend
from chainnode.calls import Call, Route, read_address, read_body, read_digest, read_identifier
from chainnode.problem import Refused
from chainnode.quotes import ExchangeQuote, RedeemQuote
from chainnode.readers import CHALLENGE, NOBODY, Reader
from chainnode.record_view import RecordView, open_state
from points.campaign_records import Campaign
from points.guardians import guardians_of
from points.keys import account_key, campaign_key, hold_key, order_key, sandbox_key
from points.sandbox_records import Sandbox
from points.state import FUND, Account, Hold, IssueOrder, Order, Role, SpendOrder
from primitives.codes import Code

Parties = Callable[[NodeBackend, Call], Iterable[bytes]]


class Scope(Enum):
    """PUBLIC: the same for all. REDUCED: for all, without what is not theirs. OWN_ROWS: with a ticket, the rows that
    concern its account. PARTIES: those whom the thing concerns. OFFICE: regulator and auditor, who read all others
    too."""

    PUBLIC = "public"
    REDUCED = "reduced"
    OWN_ROWS = "own rows"
    PARTIES = "parties"
    OFFICE = "office"


@dataclass(frozen=True, slots=True)
class Access:
    """`parties` of PARTIES, asked of state and request. `offices`: roles that may read it too. `till`: keys of role pos
    may."""

    scope: Scope
    parties: Parties | None = None
    offices: int = 0
    till: bool = False


def _of_path(name: str) -> Parties:
    return lambda _backend, call: (read_address(call.path[name]),)


def _of_body(of: type[RedeemQuote | ExchangeQuote]) -> Parties:
    return lambda _backend, call: (read_body(of, call).account,)


def _of_state(found: Callable[[RecordView, Call], Iterable[bytes]]) -> Parties:
    def parties(backend: NodeBackend, call: Call) -> Iterable[bytes]:
        with open_state(backend.chain) as state:
            return tuple(found(state.view, call))

    return parties


def _of_order(view: RecordView, call: Call) -> Iterable[bytes]:
    merchant = read_address(call.path["merchant"])
    order: Order | None = view.get(
        order_key(merchant, read_identifier(call.path["order_id"], "order_id"))
    )
    yield merchant
    if isinstance(order, IssueOrder):
        yield order.to
    elif isinstance(order, SpendOrder):
        yield order.payer


def _of_hold(view: RecordView, call: Call) -> Iterable[bytes]:
    hold: Hold | None = view.get(hold_key(read_digest(call.path["id"], "hold")))
    if hold is not None:
        yield from (hold.payer, hold.merchant)


def _of_recovery(view: RecordView, call: Call) -> Iterable[bytes]:
    address = read_address(call.path["address"])
    account: Account | None = view.get(account_key(address))
    yield address
    if account is not None:
        yield from guardians_of(address, account)
        yield from account.next_guardians


def _of_grant(view: RecordView, call: Call) -> Iterable[bytes]:
    campaign: Campaign | None = view.get(campaign_key(read_identifier(call.path["id"], "campaign")))
    yield read_address(call.path["address"])
    if campaign is not None:
        yield campaign.issuer


def _of_sandbox(view: RecordView, call: Call) -> Iterable[bytes]:
    sandbox: Sandbox | None = view.get(sandbox_key(read_identifier(call.path["id"], "sandbox")))
    yield read_address(call.path["address"])
    if sandbox is not None:
        yield sandbox.merchant


_PUBLIC: Final = Access(Scope.PUBLIC)
_REDUCED: Final = Access(Scope.REDUCED)
_OWN_ROWS: Final = Access(Scope.OWN_ROWS)
_OFFICE: Final = Access(Scope.OFFICE)
_ACCOUNT: Final = Access(Scope.PARTIES, _of_path("address"))
_MERCHANT: Final = Access(Scope.PARTIES, _of_path("id"))

SCOPES: Final[dict[tuple[str, str], Access]] = {
    ("POST", "/v1/transactions"): _PUBLIC,  # who has the bytes knows what they say
    ("GET", "/v1/transactions/{id}"): _PUBLIC,
    ("GET", "/v1/transactions/{id}/body"): _PUBLIC,
    ("GET", "/v1/transactions/{id}/proof"): _PUBLIC,
    ("GET", "/v1/accounts/{address}"): _ACCOUNT,
    ("GET", "/v1/accounts/{address}/lots"): _ACCOUNT,
    ("GET", "/v1/accounts/{address}/expiring"): _ACCOUNT,
    ("GET", "/v1/accounts/{address}/recovery"): Access(
        Scope.PARTIES, _of_state(_of_recovery), offices=Role.OPERATOR | Role.COMMITTEE
    ),
    ("GET", "/v1/accounts/{address}/history"): _ACCOUNT,
    ("GET", "/v1/merchants"): _REDUCED,
    ("GET", "/v1/merchants/{id}"): _REDUCED,
    ("GET", "/v1/merchants/{id}/exposure"): _MERCHANT,
    ("GET", "/v1/merchants/{id}/ageing"): _MERCHANT,
    ("GET", "/v1/merchants/{id}/breakage"): _MERCHANT,
    ("GET", "/v1/classes"): _PUBLIC,
    ("GET", "/v1/classes/{id}"): _PUBLIC,
    ("GET", "/v1/supply"): _PUBLIC,
    ("GET", "/v1/supply/proof"): _PUBLIC,
    ("GET", "/v1/orders/{merchant}/{order_id}"): Access(Scope.PARTIES, _of_state(_of_order), till=True),
    ("GET", "/v1/holds/{id}"): Access(Scope.PARTIES, _of_state(_of_hold), till=True),
    ("GET", "/v1/windows"): _PUBLIC,  # when they opened and closed
    ("GET", "/v1/windows/{id}"): _OWN_ROWS,
    ("GET", "/v1/windows/{id}/losses"): _OWN_ROWS,
    ("GET", "/v1/windows/{id}/shared"): _OWN_ROWS,
    ("GET", "/v1/obligations"): _OWN_ROWS,
    ("GET", "/v1/fund"): Access(Scope.PARTIES, lambda _backend, _call: (FUND,)),
    ("POST", "/v1/quotes/redeem"): Access(Scope.PARTIES, _of_body(RedeemQuote)),
    ("POST", "/v1/quotes/exchange"): Access(Scope.PARTIES, _of_body(ExchangeQuote)),
    ("GET", "/v1/campaigns"): _PUBLIC,
    ("GET", "/v1/campaigns/{id}"): _PUBLIC,
    ("GET", "/v1/campaigns/{id}/accounts/{address}"): Access(Scope.PARTIES, _of_state(_of_grant)),
    ("GET", "/v1/assets"): _REDUCED,
    ("GET", "/v1/assets/{id}"): _REDUCED,  # whose it is, is told only while it is for sale
    ("GET", "/v1/anchors/{namespace}/{hash}"): _PUBLIC,
    ("GET", "/v1/sandboxes"): _REDUCED,
    ("GET", "/v1/sandboxes/{id}"): _REDUCED,
    ("GET", "/v1/sandboxes/{id}/accounts/{address}"): Access(Scope.PARTIES, _of_state(_of_sandbox)),
    ("GET", "/v1/pause"): _PUBLIC,
    ("GET", "/v1/proposals"): _REDUCED,
    ("GET", "/v1/proposals/{id}"): _REDUCED,  # an erratum names a payment and its tourist
    ("GET", "/v1/committee"): _PUBLIC,
    ("GET", "/v1/offices"): _PUBLIC,
    ("GET", "/v1/errata"): _OFFICE,  # it lists ids
    ("GET", "/v1/errata/{tx}"): _PUBLIC,
    ("GET", "/v1/challenges"): _PUBLIC,
    ("GET", "/v1/challenges/{id}"): _PUBLIC,
    ("GET", "/v1/blocks/{height}"): _REDUCED,
    ("GET", "/v1/blocks/{height}/bytes"): _PUBLIC,
    ("GET", "/v1/blocks/{height}/certificate"): _PUBLIC,
    ("GET", "/v1/headers"): _PUBLIC,
    ("GET", "/v1/certified"): _PUBLIC,
    ("GET", "/v1/handovers"): _PUBLIC,
    ("GET", "/v1/genesis"): _PUBLIC,
    ("GET", "/v1/snapshot"): _PUBLIC,
    ("GET", "/v1/snapshot/chunks/{index}"): Access(Scope.OFFICE, offices=Role.OPERATOR),  # the whole state
    ("GET", "/v1/evidence"): _PUBLIC,
    ("GET", "/v1/evidence/{id}"): _PUBLIC,
    ("GET", "/v1/info"): _PUBLIC,
    ("GET", "/v1/alerts"): _OFFICE,
    ("GET", "/v1/alerts/{rule}/{subject}"): _OFFICE,
    ("GET", "/v1/report"): _OFFICE,
    ("GET", "/alerts"): _OFFICE,
    ("GET", "/v1/events"): _REDUCED,
    ("GET", "/v1/status"): _PUBLIC,
    ("GET", "/v1/validators"): _PUBLIC,
    ("GET", "/v1/params"): _PUBLIC,
    ("GET", "/health"): _PUBLIC,
    ("GET", "/metrics"): _PUBLIC,
    ("GET", "/openapi.json"): _PUBLIC,
    ("GET", "/docs"): _PUBLIC,
    ("GET", "/"): _PUBLIC,
    ("GET", "/blocks/{height}"): _REDUCED,
    ("GET", "/transactions/{id}"): _PUBLIC,
    ("GET", "/accounts/{address}"): _ACCOUNT,
    ("GET", "/merchants/{id}"): _MERCHANT,
    ("GET", "/find"): _PUBLIC,
    ("GET", "/web/{name}"): _PUBLIC,
}


def access_of(route: Route) -> Access:
    """Its row; OFFICE for a route that nobody thought about."""
    return SCOPES.get((route.method, route.path), _OFFICE)


def _may(access: Access, backend: NodeBackend, call: Call, reader: Reader) -> bool:
    if reader.sees_all or access.scope in (Scope.PUBLIC, Scope.REDUCED):
        return True
    if reader.till and not access.till:
        return False
    if reader.offices & access.offices:
        return True
    match access.scope:
        case Scope.OWN_ROWS:
            return reader != NOBODY
        case Scope.PARTIES:
            assert access.parties is not None, "a row of PARTIES names them"
            return reader != NOBODY and reader.sees(*access.parties(backend, call))
        case _:
            return False


def admit(route: Route, backend: NodeBackend, call: Call, reader: Reader) -> Call:
    """The call of a reader who may read the route.

    Raises: Refused READ_DENIED, the same for what does not exist: 401 without a ticket, 403 with one; and what the
    handler itself would say of a malformed path or body.
    """
    access = access_of(route)
    if not _may(access, backend, call, reader):
        raise denied(reader, access.scope)
    return replace(call, reader=NOBODY if reader.till and not access.till else reader)


def denied(reader: Reader, scope: Scope) -> Refused:
    """401 without a ticket, 403 with one that is not enough."""
    detail = f"reads are scoped on this node: {scope.value}"
    if reader == NOBODY:
        return Refused(Code.READ_DENIED, f"{detail}; a read ticket is needed", status=401, headers=CHALLENGE)
    why = "a till's key reads single orders and holds only" if reader.till else "not the affairs of this account"
    return Refused(Code.READ_DENIED, f"{detail}; {why}", status=403)
