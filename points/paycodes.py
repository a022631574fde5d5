"""Redeem by token: a merchant charges a one-time code that the tourist shows (CPM).

Precedence: ACCOUNT_UNKNOWN (payer), BAD_SIGNATURE (code), NOT_AUTHORISED (code of another merchant, payer no tourist,
shared key), OK_DUPLICATE or IDEMPOTENCY_CONFLICT, ACCOUNT_FROZEN (merchant), BAD_AMOUNT, ACCOUNT_FROZEN (payer),
MERCHANT_SUSPENDED, TOKEN_USED, TOKEN_EXPIRED, TOKEN_CAP, KYC_REQUIRED, KEY_LIMIT, SCOPE_DENIED, CLASS_PAUSED,
ISSUER_RESERVE_EXHAUSTED, INSUFFICIENT, OVERFLOW. A code that an offline escrow pays: points/escrows.py.
"""

from typing import Final

from points.authority import charge_keys, is_tourist, may, shares_key
from points.escrows import ESCROW_SECONDS_MAX, check_escrow, escrow_id, open_escrow, pay_from_escrow
from points.keys import account_key, hold_key, holdings_key, merchant_key, used_key
from points.orders import find_order
from points.redemption import check_payee, pay, repeated_payment
from points.state import Account, Frozen, Hold, Holdings, HoldState, Merchant, SpendOrder, Used
from points.turn import Turn, frozen_mode
from primitives.codes import Code
from primitives.kinds import PayCode, RedeemByToken
from primitives.transaction import pay_code_digest

CODE_SECONDS_MAX: Final = 60  # how far ahead a code may expire: a photographed screen is worth little (D18)


def apply_redeem_by_token(turn: Turn, body: RedeemByToken) -> Code:
    """The sender charges a tourist who showed a code."""
    code = body.pay_code
    payer: Account | None = turn.get(account_key(code.account))
    if payer is None:
        return Code.ACCOUNT_UNKNOWN
    escrow = _escrow_of(turn, code)
    signer = tuple(key for key in payer.keys if key.key == code.key)
    known = signer or escrow is not None  # no revocation unsigns what was shown offline
    if not known or not turn.signed(code.key, lambda: pay_code_digest(turn.chain_id, code), code.sig):
        return turn.refuse(Code.BAD_SIGNATURE, "the pay code is not signed by a key of its account")
    entitled = escrow is not None or (is_tourist(payer) and may(payer, signer, "owner"))
    if not entitled or shares_key(payer, turn.account):
        return Code.NOT_AUTHORISED
    if code.merchant is not None and code.merchant != turn.sender:
        return turn.refuse(Code.NOT_AUTHORISED, "the pay code is for another merchant")
    order = find_order(turn, turn.sender, body.order_id)
    if order is not None:
        source = order.hold_id if isinstance(order, SpendOrder) else b""  # no compared field of this kind (D2)
        return repeated_payment(turn, order, "redeem_by_token", code.account, body.value, source)
    if turn.frozen():
        return Code.ACCOUNT_FROZEN
    if not body.value or not code.max_value:
        return Code.BAD_AMOUNT
    if escrow is not None:
        return (
            check_escrow(turn, escrow, payer)
            or _use(turn, code, body.value, escrow.expires_at)
            or pay_from_escrow(turn, escrow, payer, body)
        )
    if frozen_mode(payer, turn.time) is not Frozen.NO:
        return Code.ACCOUNT_FROZEN
    merchant: Merchant = turn.get(merchant_key(turn.sender))
    latest = 0 if _was_for_escrow(turn, code) else turn.time + CODE_SECONDS_MAX
    verdict = check_payee(turn, turn.account, merchant) or _use(turn, code, body.value, latest, _kept(turn, code))
    if verdict:
        return verdict
    if not charge_keys(turn, code.account, signer, body.value):
        return Code.KEY_LIMIT
    return pay(
        turn, "redeem_by_token", (code.account, payer), (turn.sender, merchant), body.order_id, body.value
    )


def _escrow_of(turn: Turn, code: PayCode) -> Hold | None:
    """The open escrow that pays this code: the code names the sender and is signed by the escrow's key."""
    if code.merchant is None or code.merchant != turn.sender:
        return None
    escrow = open_escrow(turn, code.account, turn.sender)
    return escrow if escrow is not None and escrow.code_key == code.key else None


def _was_for_escrow(turn: Turn, code: PayCode) -> bool:
    """Whether an escrow that was spent or given up early could have paid this code.

    What was set aside bounds what may be lost offline, so the free points pay none of its codes, not even in the last
    minute of a code. Without a network the payer cannot know which of them were charged.
    """
    if code.merchant is None:
        return False
    hold: Hold | None = turn.get(hold_key(escrow_id(code.account, code.merchant)))
    return hold is not None and hold.state is not HoldState.OPEN and code.expires_at <= hold.expires_at


def _kept(turn: Turn, code: PayCode) -> int:
    """Until when the number of a code of free points is known: while an escrow is open, as long as any may last.

    A wallet that lost count signs a number twice, for a code online and for one offline: only one of them is paid.
    """
    holdings: Holdings | None = turn.get(holdings_key(code.account))
    return turn.time + ESCROW_SECONDS_MAX if holdings is not None and holdings.open_holds else 0


def _use(turn: Turn, code: PayCode, value: int, latest: int, kept: int = 0) -> Code:
    """Mark the code as used; it is known by (account, key, seq), whatever else it says. `latest` it may expire."""
    where = used_key(code.account, code.key, code.seq)
    if turn.get(where) is not None:
        return Code.TOKEN_USED
    if turn.time >= code.expires_at:
        return Code.TOKEN_EXPIRED
    if value > code.max_value or code.expires_at > latest:
        return Code.TOKEN_CAP
    turn.put(where, Used(max(code.expires_at, kept)))
    return Code.OK
