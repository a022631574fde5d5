"""What the state holds: a map from key bytes to one of these records; nothing else is remembered between blocks.

The first byte of a key names its record type, so `decode_value(key, raw)` needs no tag in the value. Keys that are
found by time or by window continue with a big-endian number: their order as bytes is the order in which they fall due.
Amounts: units of a class, fen (value, reserve) or uY (books, obligations), named in each field. Times are unix seconds,
days are days of UTC+8 (days.py).
Invariant: no amount is below 0 or above 2**64 - 1 (INV-9); only carries and nets are signed.
"""

from collections.abc import Callable
from enum import IntEnum
from typing import Any, Final, Literal

from points.asset_records import Anchored, Asset
from points.campaign_records import BatchOrder, Campaign, Grant
from points.challenge_records import Applicant, Challenge
from points.clearing_records import ClearingRecord
from points.errata_records import Erratum
from points.governance_records import OfficeHeld, Proposal, Standing, Timer, Vote
from points.identity_records import Recoveries
from points.merchant_records import Traded
from points.risk_records import Alert, Pulse, Watch
from points.sandbox_records import Enrolled, Pause, Sandbox
from points.validators import Register
from primitives.codec import Record, decoder, encode
from primitives.genesis import Parameters
from primitives.kinds import AccountKey, Bucket, Category, ClassKind, IssueReason, RefundPolicy

UY_PER_FEN: Final = 10_000
BPS: Final = 10_000
NEVER: Final = 2**64 - 1  # a time that does not come
FUND: Final = bytes(20)  # the clearing fund; all zeros, so it sorts before every participant (D11)


class AccountKind(IntEnum):
    TOURIST = 0
    MERCHANT = 1
    SYSTEM = 2  # FUND, operators, regulators, custodians, attesters, committee: hold no points


class Role(IntEnum):
    """Bits of Account.roles; granted by genesis."""

    OPERATOR = 1
    REGULATOR = 2
    CUSTODIAN = 4
    ATTESTER = 8
    COMMITTEE = 16
    AUDITOR = 32  # reads everything, signs nothing


class Frozen(IntEnum):
    NO = 0
    OUT = 1
    ALL = 2


class MerchantStatus(IntEnum):
    """What a merchant may do. Over cap and stale reserve are computed, never stored (D12)."""

    APPLIED = 0
    ACTIVE = 1
    ISSUE_SUSPENDED = 2
    ACCEPT_SUSPENDED = 3
    SUSPENDED = 4
    WIND_DOWN = 5
    EXITED = 6


class HoldState(IntEnum):
    OPEN = 0
    CAPTURED = 1
    VOIDED = 2
    EXPIRED = 3


class WindowState(IntEnum):
    OPEN = 0
    INSTRUCTED = 1  # closed, with legs to pay
    SETTLED = 2  # every leg confirmed or written off
    DEFAULTED = 3  # a leg was still DUE at T+2


class LegState(IntEnum):
    DUE = 0
    PAID = 1
    CONFIRMED = 2
    DISPUTED = 3
    DEFAULTED = 4
    WRITTEN_OFF = 5  # nobody confirmed it in two years: it is a matter for courts, and waited for no longer


class Account(Record):
    """Who may sign for an address. Rarely written: what changes with every payment is in Holdings."""

    kind: AccountKind
    keys: tuple[AccountKey, ...]
    threshold: int  # owner keys that must sign together
    roles: int = 0  # bits of Role
    tier: int = 0
    tier_expires: int = NEVER  # an expired tier counts as 0 (D4)
    frozen: Frozen = Frozen.NO
    frozen_until: int = NEVER  # not frozen from this second on
    guardians: tuple[bytes, ...] = ()
    guardian_threshold: int = 0  # guardians that must agree; 0 = more than half of them
    next_guardians: tuple[bytes, ...] = ()  # from second next_from on, in the place of both
    next_threshold: int = 0
    next_from: int = NEVER
    offices_until: int = 0  # two offices may recover it until this second, beside the first guardians that it named


class Lot(Record):
    """Units of one class that expire together. Order of spending is the order of these fields but for `ext` (D6)."""

    bucket: int  # expired for every transaction of a block whose time >= bucket (INV-12)
    class_id: str
    ext: int  # 1: already re-dated by a refund, never again (D13)
    from_day: int  # spendable from this day on; 0 = now
    avail: int
    held: int


class Holdings(Record):
    """All points of one tourist.

    Invariant: lots in order of (bucket, class, ext descending, from_day), no empty lot.
    """

    lots: tuple[Lot, ...] = ()
    open_holds: int = 0
    redeemed: int = 0  # fen, in the account's life (KYC tier 0)
    year: int = 0  # calendar year UTC+8 of redeemed_year
    redeemed_year: int = 0  # fen (KYC tiers 1 and 2)


class Merchant(Record):
    category: Category
    status: MerchantStatus
    reserve: int  # fen
    attested: int  # as_of of the newest attestation
    credit_limit: int  # fen
    quota: int  # fen of value issued per window, 0 = off
    sandboxes: tuple[str, ...] = ()  # its own that are in the state; their loss reserves carry nothing else
    reserve_ratio_bps: int = 0  # of its own, by decision of the committee; 0 = the network's


class Class(Record):
    issuer: bytes
    uv: int  # uY per unit, 1..10000, immutable
    kind: ClassKind
    scope: tuple[Category, ...]  # empty = everywhere
    validity_days: int
    bucket: Bucket
    pending_days: int
    refund_policy: RefundPolicy
    grace_days: int
    transferable: bool
    exchangeable: bool
    exchange_in_quota: int  # units per window; NEVER = none
    max_per_order: int  # units; NEVER = none
    earn_cap_bps: int  # 0 = off
    display_decimals: int
    retired: bool = False
    paused_until: int = 0  # paused before this second
    sandbox: str = ""  # the trial it belongs to; "": none


class Counters(Record):
    """Units of a class since genesis; they never decrease.

    INV-1: issued + exch_in + restored = outstanding + redeemed + expired + burned.
    """

    issued: int = 0
    exch_in: int = 0
    restored: int = 0
    redeemed: int = 0
    expired: int = 0
    burned: int = 0  # reversed and exchanged away
    exch_window: int = 0  # the window that exch_in_window counts
    exch_in_window: int = 0


class Agg(Record):
    """Sum of a class's lots with one expiry; closing a bucket touches this and no account (2.5)."""

    avail: int
    held: int


class Books(Record):
    """A merchant's position in uY. `outstanding` and `payable` are compared with its cap (INV-7).

    INV-4: outstanding = issued + iss_in - iss_out - self_redeemed + self_refunded - expired - revoked.
    """

    outstanding: int = 0  # value of its units with holders, held ones included
    payable: int = 0  # obligations it owes in every role, in windows not released (D12)
    issued: int = 0
    iss_in: int = 0  # owed to it as issuer: refunds, exchange-in
    iss_out: int = 0  # owed by it as issuer: redemptions elsewhere, overshoots, exchange-out
    self_redeemed: int = 0
    self_refunded: int = 0
    expired: int = 0
    revoked: int = 0
    period: int = 0  # the window that `period_issued` counts
    period_issued: int = 0


class HoldLeg(Record):
    class_id: str
    bucket: int
    ext: int
    units: int
    pay: int  # uY
    over: int  # uY


class Hold(Record):
    """Points set aside for one merchant. legs are () once it is closed."""

    payer: bytes
    merchant: bytes
    value: int  # fen
    expires_at: int  # expired iff block time >= expires_at (D9)
    state: HoldState
    legs: tuple[HoldLeg, ...]
    code_key: bytes = b""  # signs the codes that an offline escrow pays; b"" for an ordinary hold


class OrderLeg(Record):
    class_id: str
    bucket: int
    ext: int
    units: int
    pay: int  # uY that the merchant is credited, fee included
    fee: int  # uY
    over: int  # uY of the last unit beyond the price; to FUND
    refunded: int  # uY of pay refunded so far: c of D7


class IssueOrder(Record, tag="i"):
    to: bytes
    class_id: str
    units: int
    reason: IssueReason
    cash_value: int  # fen
    bucket: int
    from_day: int
    created: int
    tx: bytes
    height: int
    index: int
    reversed: int = 0  # units asked back, shortfall included
    shortfall: int = 0


class SpendOrder(Record, tag="s"):
    kind: Literal["redeem", "redeem_by_token", "capture", "asset_swap"]
    payer: bytes
    value: int  # fen
    authorised: int  # fen: of the hold for a capture, else value (INV-8)
    hold_id: bytes  # b"" unless a capture or paid from an offline escrow
    window: int  # to which its obligations went
    legs: tuple[OrderLeg, ...]
    created: int
    tx: bytes
    height: int
    index: int
    refunded: int = 0  # fen


Order = IssueOrder | SpendOrder | BatchOrder


class RefundDone(Record):
    value: int  # fen
    tx: bytes
    height: int
    index: int


class Head(Record):
    """The open settlement window; ids count from 1 (D11)."""

    window: int


class Window(Record):
    state: WindowState
    opened: int
    closed: int  # 0 while open
    open_legs: int  # legs not CONFIRMED


class Obligation(Record):
    value: int  # uY


class Position(Record):
    """A participant of a closed window. Its net before carry is 10000 * fen + carry - carry_in (INV-6)."""

    fen: int  # signed
    carry_in: int  # uY from the window before; signed
    carry: int  # uY handed to the next window; signed
    payable: int  # uY of gross obligations as debtor; 0 for FUND, which has no cap
    open_legs: int  # own outgoing legs not CONFIRMED; for a net creditor: incoming ones not CONFIRMED or DEFAULTED
    released: bool  # payable no longer counts against the cap


class Carry(Record):
    value: int  # uY; signed, |value| < 10000


class Leg(Record):
    fen: int
    state: LegState
    bank_ref: bytes = b""
    drawn: int = 0  # fen taken from the payer's reserve at default
    defaulted: bool = False  # was still DUE at T+2; stays set when it is paid late
    advanced: int = 0  # fen that the fund paid in its place at default


class Daily(Record):
    """A sum per day: a key's or a sender's fen, a static code's fen, a sponsor's accounts."""

    value: int


class Used(Record):
    """A pay code that was used; kept while any code with that number could still be valid."""

    expires_at: int


class Due(Record):
    """Only its key matters."""


class Garbage(Record):
    """Keys created in one block that leave the state when due."""

    keys: tuple[bytes, ...]


class Custodians(Record):
    """Accounts that hold reserves; they sign attestations and act for FUND (D11)."""

    accounts: tuple[bytes, ...]


RECORDS: Final[dict[str, Any]] = {
    "A": Account, "L": Holdings, "M": Merchant, "B": Books, "C": Class, "K": Counters, "G": Agg, "g": Agg, "H": Hold,
    "T": Due, "O": Order, "R": RefundDone, "W": Window, "X": Due, "Y": Obligation, "N": Position, "E": Leg, "V": Carry,
    "D": Daily, "U": Used, "P": Garbage, "p": Parameters, "w": Head, "r": Custodians,
    "d": Recoveries, "v": Register, "l": ClearingRecord, "a": Campaign, "b": Grant,
    "e": Asset, "f": Anchored, "t": Traded,
    "x": Alert, "y": Pulse, "z": Watch,
    "c": Erratum, "m": OfficeHeld, "n": Challenge, "q": Applicant,
    "s": Sandbox, "u": Enrolled, "o": Pause,
    "h": Proposal, "i": Vote, "j": Standing, "k": Timer,
}  # first byte of the key -> type of the value  # fmt: skip
_DECODERS: Final = {ord(prefix): decoder(record) for prefix, record in RECORDS.items()}


encode_value: Final[Callable[[Record], bytes]] = encode  # the stored bytes of a record


def decode_value(key: bytes, raw: bytes) -> Any:
    """The record of stored bytes. Our own disk, not the edge: raises KeyError or msgspec.DecodeError on damage."""
    return _DECODERS[key[0]].decode(raw)


NOBODY: Final = Account(AccountKind.SYSTEM, (), 1)  # no key, no role: nothing can be signed in its name
NO_HOLDINGS: Final = Holdings()
NO_COUNTERS: Final = Counters()
NO_BOOKS: Final = Books()
NO_AGG: Final = Agg(0, 0)
