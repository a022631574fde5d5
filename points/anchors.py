"""Hash evidence: that somebody knew a document at a block's time, in a field of public service (table 1, rows 6, 15).

anchor: ACCOUNT_FROZEN, NOT_AUTHORISED (admitted merchants and offices only), PAYLOAD_TOO_LARGE, BAD_NAMESPACE,
ANCHOR_EXISTS, VELOCITY, OVERFLOW. The first anchor of a (namespace, hash) counts, whoever repeats it.
"""

from typing import Final

from points.asset_records import Anchored
from points.authority import charge_daily
from points.days import DAY_SECONDS
from points.keys import anchor_key, daily_key, merchant_key
from points.state import Merchant, MerchantStatus
from points.turn import Turn
from primitives.codes import Code
from primitives.kinds_assets import HASH_BYTES, Anchor
from primitives.receipt import Event

ANCHOR_DAYS: Final = 366  # then only the blocks know it: a receipt with its proof is the evidence, not the live state
ANCHORS_PER_DAY: Final = 1_000  # of a sender; more documents go under one Merkle root
NAMESPACE_CHARS_MAX: Final = 32
_DIGITS_MAX: Final = 10  # in a row: a telephone or identity number has more
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
_DIGITS: Final = "0123456789"
_JOINTS: Final = "-._/"


def check_hash(turn: Turn, value: bytes) -> Code:
    """A hash and nothing more: content, and with it personal data, has no place on the chain."""
    if len(value) != HASH_BYTES:
        return turn.refuse(Code.PAYLOAD_TOO_LARGE, f"{len(value)} bytes, a hash has {HASH_BYTES}")
    return Code.OK


def is_namespace(name: str) -> bool:
    """Words of small letters and digits, joined by one of "-._/": one spelling only, and no number of a person."""
    if not 1 <= len(name) <= NAMESPACE_CHARS_MAX or name[0] not in _LETTERS or name[-1] in _JOINTS:
        return False
    digits, before = 0, ""
    for character in name:
        digits = digits + 1 if character in _DIGITS else 0
        joint = character in _JOINTS
        known = joint or character in _LETTERS or character in _DIGITS
        if not known or digits > _DIGITS_MAX or (joint and before in _JOINTS):
            return False
        before = character
    return True


def apply_anchor(turn: Turn, body: Anchor) -> Code:
    """Note that the sender showed this hash now. Who only applies to be a merchant is still anybody."""
    merchant: Merchant | None = turn.get(merchant_key(turn.sender))
    if merchant is not None and merchant.status is MerchantStatus.APPLIED:
        return turn.refuse(Code.NOT_AUTHORISED, merchant.status.name)
    code = check_hash(turn, body.evidence)
    if code:
        return code
    name = body.namespace
    if not is_namespace(name):
        return turn.refuse(Code.BAD_NAMESPACE, f"{name}: words of small letters and digits, e.g. elderly-care")
    key = anchor_key(name, body.evidence)
    found: Anchored | None = turn.get(key)
    if found is not None and found.lives(turn.time):
        return turn.refuse(Code.ANCHOR_EXISTS, f"since {found.time}, by transaction {found.tx.hex()}")
    if not charge_daily(turn, daily_key(turn.day, b"a", turn.sender), 1, ANCHORS_PER_DAY):
        return turn.refuse(Code.VELOCITY, f"{ANCHORS_PER_DAY} anchors per sender and day")
    expires = turn.time + ANCHOR_DAYS * DAY_SECONDS
    turn.put(key, Anchored(turn.sender, turn.time, expires, turn.tx, turn.height, turn.index))
    fields = (("namespace", name), ("expires", expires))
    turn.events.append(Event("Anchored", fields, (("by", turn.sender),), (("hash", body.evidence),)))
    return Code.OK
