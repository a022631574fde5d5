"""Who reads (2.12): from a ticket in a header to the addresses whose affairs its bearer may see."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from chainnode.backend import NodeBackend
from chainnode.problem import Refused
from chainnode.record_view import StateMoment, open_state
from points.keys import account_key
from points.queries import text
from points.state import FUND, Account, Frozen, Role
from points.turn import frozen_mode
from primitives.codec import Malformed
from primitives.codes import Code
from primitives.read_ticket import TICKET_SECONDS_MAX, ReadTicket, read_ticket, signature_holds

T = TypeVar("T")
SCHEME: Final = "bearer"
CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="hnchain"'}
READS_ALL: Final = Role.REGULATOR | Role.AUDITOR


@dataclass(frozen=True, slots=True)
class Reader:
    """`addresses`: whose affairs it may see; None: everybody's. `offices`: bits of Role that count for reading.
    `till`: by a key of role pos, which sees single orders and holds only."""

    addresses: frozenset[bytes] | None
    offices: int = 0
    till: bool = False

    @property
    def sees_all(self) -> bool:
        return self.addresses is None

    def sees(self, *parties: bytes) -> bool:
        """Whether one of the parties is its own."""
        return self.addresses is None or not self.addresses.isdisjoint(parties)

    def own(self, rows: Mapping[str, T]) -> dict[str, T]:
        """The rows whose key, an address text or "one->other", names an address of its own."""
        if self.addresses is None:
            return dict(rows)
        texts = {text(address) for address in self.addresses}
        return {key: row for key, row in rows.items() if not texts.isdisjoint(key.split("->"))}


EVERYBODY: Final = Reader(None)  # on a node whose reads are open
NOBODY: Final = Reader(frozenset())


def block_second(backend: NodeBackend, state: StateMoment) -> int:
    """The node's clock, but not before the newest block; that block's time where the clock is a test clock."""
    header = backend.chain.header(state.head.height)
    assert header is not None, "the head has a header"
    time_ms = header.time_ms if backend.genesis.test_clock else max(header.time_ms, backend.now_ms())
    return time_ms // 1000


def bad_ticket(detail: str) -> Refused:
    """401; `detail` never quotes the ticket."""
    return Refused(Code.BAD_TICKET, detail, status=401, headers=CHALLENGE)


def reader_of(backend: NodeBackend, authorization: Sequence[str], again: bool = False) -> Reader:
    """Who shows these Authorization headers; NOBODY without one. Raises: Refused BAD_TICKET.

    `again`: their signature was verified before; time, keys and offices are asked anew.
    """
    if not authorization:
        return NOBODY
    if len(authorization) > 1:
        raise bad_ticket("more than one Authorization header")
    scheme, _, shown = authorization[0].partition(" ")
    if scheme.lower() != SCHEME:
        raise bad_ticket("expected Authorization: Bearer and a read ticket")
    try:
        ticket = read_ticket(shown)
    except Malformed as error:
        raise bad_ticket(str(error)) from None
    return _bearer(backend, ticket, again)


def _bearer(backend: NodeBackend, ticket: ReadTicket, again: bool) -> Reader:
    """Cheap checks first; the signature costs 75 us. One sentence for an unknown account, another's key, a revoked one
    and a false signature: a guesser learns nothing about who exists."""
    if ticket.chain_id != backend.chain.chain_id:
        raise bad_ticket("it is for another chain")
    with open_state(backend.chain) as state:
        now = block_second(backend, state)
        account: Account | None = state.view.get(account_key(ticket.account))
    if not now < ticket.expires_at <= now + TICKET_SECONDS_MAX:
        raise bad_ticket(f"it expires at {ticket.expires_at}, here it is {now}; at most {TICKET_SECONDS_MAX} s ahead")
    key = next((k for k in account.keys if k.key == ticket.key), None) if account is not None else None
    if account is None or key is None or not (again or signature_holds(ticket)):
        raise bad_ticket("no present key of its account signed it")
    return _reader(account, ticket.account, key.role == "pos", now)


def _reader(account: Account, address: bytes, till: bool, now: int) -> Reader:
    """A freeze takes away what an office reads, and leaves everybody what is his own. The custodian acts for the fund
    (D11)."""
    offices = account.roles if frozen_mode(account, now) is Frozen.NO else 0
    if offices & READS_ALL and not till:
        return Reader(None, offices)
    own = {address, FUND} if offices & Role.CUSTODIAN and not till else {address}
    return Reader(frozenset(own), 0 if till else offices, till)
