"""Redeem: a tourist pays a merchant's signed request with points (D6, D18).

Precedence: ACCOUNT_UNKNOWN and MERCHANT_UNKNOWN (payee), BAD_SIGNATURE (request), NOT_AUTHORISED (shared key),
OK_DUPLICATE or IDEMPOTENCY_CONFLICT, ACCOUNT_FROZEN (payer), BAD_AMOUNT, MEMO_*, ACCOUNT_FROZEN (payee),
MERCHANT_SUSPENDED, REQUEST_EXPIRED, TTL_TOO_LONG, STATIC_QR_LIMIT, KYC_REQUIRED, KEY_LIMIT, SCOPE_DENIED, CLASS_PAUSED,
ISSUER_RESERVE_EXHAUSTED, INSUFFICIENT, OVERFLOW.
"""

from collections.abc import Sequence
from typing import Any, Final, Literal

from points.authority import charge_daily, charge_keys, charge_kyc, key_of, may, shares_key
from points.clearing import book_spent, bucket_moves, count_spent, owe
from points.days import DAY_SECONDS
from points.keys import account_key, daily_key, holdings_key, merchant_key, order_key
from points.lots import after_spending, legs_of, only_class, touched
from points.memo import check_memo, memo_field
from points.merchant_exit import note_trade
from points.orders import order_at, static_order_id
from points.selection import Purse
from points.state import (
    BPS,
    FUND,
    NO_HOLDINGS,
    UY_PER_FEN,
    Account,
    Holdings,
    HoldLeg,
    Merchant,
    MerchantStatus,
    OrderLeg,
    SpendOrder,
)
from points.turn import Fields, Turn, is_shut
from primitives.codes import OK, Code
from primitives.kinds import PaymentRequest, Redeem
from primitives.receipt import Event
from primitives.transaction import request_digest

PaymentKind = Literal["redeem", "redeem_by_token", "capture", "asset_swap"]

ACCEPTING: Final = (MerchantStatus.ACTIVE, MerchantStatus.ISSUE_SUSPENDED, MerchantStatus.WIND_DOWN)


def apply_redeem(turn: Turn, body: Redeem) -> Code:
    """The sender pays a merchant's request."""
    request = body.request
    payee: Account | None = turn.get(account_key(request.merchant))
    merchant: Merchant | None = turn.get(merchant_key(request.merchant))
    if payee is None or merchant is None:
        return Code.ACCOUNT_UNKNOWN if payee is None else Code.MERCHANT_UNKNOWN
    signer = key_of(payee, request.key)
    if not signer or not _is_signed(turn, request):
        return turn.refuse(Code.BAD_SIGNATURE, "the payment request is not signed by a key of its merchant")
    if not may(payee, signer, "pos") or shares_key(turn.account, payee):
        return Code.NOT_AUTHORISED
    static, order_id = request.static, request.order_id
    value = body.max_value if static else request.value
    if static or order_id is None:
        order_id = static_order_id(turn)
    order = order_at(turn, order_key(request.merchant, order_id))
    if order is not None:
        return repeated_payment(turn, order, "redeem", turn.sender, value)
    if turn.frozen():
        return Code.ACCOUNT_FROZEN
    if not value or body.max_value < value or static != (request.order_id is None):
        return Code.BAD_AMOUNT
    if static and request.value:
        return turn.refuse(Code.BAD_AMOUNT, "a static request names no value")
    return (
        check_memo(body.memo)
        or check_payee(turn, payee, merchant)
        or _check_request(turn, request, value)
        or pay(turn, "redeem", (turn.sender, turn.account), (request.merchant, merchant), order_id, value, body.memo)
    )


def _is_signed(turn: Turn, request: PaymentRequest) -> bool:
    return turn.verify is None or turn.signed(
        request.key, lambda: request_digest(turn.chain_id, request), request.sig
    )


def repeated_payment(turn: Turn, order: Any, kind: PaymentKind, payer: bytes, value: int, hold_id: bytes = b"") -> Code:
    """The answer to an order id that stands already: equal in kind, payer, value and hold, or a conflict (D2)."""
    same = isinstance(order, SpendOrder) and (order.kind, order.payer, order.value, order.hold_id) == (
        kind, payer, value, hold_id,
    )  # fmt: skip
    return turn.repeated(same, order)


def check_payee(turn: Turn, payee: Account, merchant: Merchant) -> Code:
    """Whether the merchant may take points now (2.8)."""
    if is_shut(payee, turn.time):
        return Code.ACCOUNT_FROZEN
    return OK if merchant.status in ACCEPTING else Code.MERCHANT_SUSPENDED


def _check_request(turn: Turn, request: PaymentRequest, value: int) -> Code:
    """Life of the request, and the daily cap of static ones per payer and merchant (D18, D20)."""
    if turn.time >= request.expires_at and not (request.static and request.expires_at == 0):
        return Code.REQUEST_EXPIRED
    if request.static:
        where = daily_key(turn.day, b"q", turn.sender + request.merchant)
        return OK if charge_daily(turn, where, value, turn.params.static_cap) else Code.STATIC_QR_LIMIT
    return Code.TTL_TOO_LONG if request.expires_at > turn.time + DAY_SECONDS else OK


def pay(
    turn: Turn, kind: PaymentKind, payer: tuple[bytes, Account], payee: tuple[bytes, Merchant], order_id: str,
    value: int, memo: bytes = b"", class_id: str | None = None,
) -> Code:  # fmt: skip
    """Spend the payer's points, of one class if it is named, for `value` fen and make the order."""
    where = holdings_key(payer[0])
    holdings: Holdings = turn.get(where) or NO_HOLDINGS
    charged = charge_kyc(turn, payer[1], holdings, value)
    if charged is None:
        return Code.KYC_REQUIRED
    if not charge_keys(turn, turn.sender, turn.signers, value):
        return Code.KEY_LIMIT
    lots = touched(holdings.lots, turn.time, turn.day)
    offered = lots if class_id is None else only_class(lots, class_id)
    spends = Purse(turn, payee[0], payee[1], offered).choose(value * UY_PER_FEN)
    if isinstance(spends, Code):
        return spends
    left = tuple(after_spending(lots, spends))
    turn.put(where, Holdings(left, holdings.open_holds, charged[0], turn.year, charged[1]))
    record_order(turn, kind, payer[0], payee[0], order_id, value, legs_of(lots, spends), memo=memo)
    return OK


def record_order(
    turn: Turn, kind: PaymentKind, payer: bytes, merchant: bytes, order_id: str, value: int,
    parts: Sequence[HoldLeg], authorised: int = 0, hold_id: bytes = b"", memo: bytes = b"",
) -> None:  # fmt: skip
    """Write the order of a payment and all that its legs change but the payer's lots."""
    fields: Fields = (
        ("order_id", order_id), ("by", kind), ("value", value), ("window", turn.window),
    )  # fmt: skip
    if memo:
        fields += memo_field(memo)
    accounts = (("merchant", merchant), ("payer", payer))
    turn.events.append(Event("Redeemed", fields, accounts, (("hold", hold_id),) if hold_id else ()))
    legs = tuple([_book_leg(turn, merchant, part, bool(hold_id)) for part in parts])
    note_trade(turn, merchant)
    turn.put(
        order_key(merchant, order_id),
        SpendOrder(
            kind, payer, value, authorised or value, hold_id, turn.window, legs, turn.time, turn.tx, turn.height,
            turn.index,
        ),
    )  # fmt: skip


def _book_leg(turn: Turn, merchant: bytes, leg: HoldLeg, held: bool) -> OrderLeg:
    """The issuer's liability ends; it owes the merchant the price less the fee, FUND the fee and the overshoot."""
    of = turn.class_of(leg.class_id)
    issuer, pay, over, units = of.issuer, leg.pay, leg.over, leg.units
    assert units * of.uv == pay + over, "a leg is worth what it pays and overshoots"
    bucket_moves(turn, leg.class_id, leg.bucket, 0 if held else -units, -units if held else 0)
    count_spent(turn, leg.class_id, units)
    if issuer == merchant:
        fee = 0
        book_spent(turn, issuer, pay + over, owe(turn, issuer, FUND, over), pay)
    else:
        fee = pay * turn.params.fee_bps // BPS
        debt = owe(turn, issuer, merchant, pay - fee) + owe(turn, issuer, FUND, fee + over)
        book_spent(turn, issuer, pay + over, debt, 0)
        note_trade(turn, issuer)
    fields = (
        ("class", leg.class_id), ("bucket", leg.bucket), ("units", units), ("pay", pay), ("fee", fee), ("over", over),
    )  # fmt: skip
    turn.events.append(Event("RedeemedLeg", fields, (("issuer", issuer),)))
    return OrderLeg(leg.class_id, leg.bucket, leg.ext, units, pay, fee, over, 0)
