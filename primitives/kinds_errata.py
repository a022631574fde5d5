"""The body of an erratum, a payload of gov_propose: entries that make good what a transaction did wrong (table 1, 12).

Nothing is deleted and no entry is negative: units are credited to a tourist or taken from one, and an obligation is
booked. In JSON an entry is {"kind": "credit", "body": {...}}.
"""

from typing import Annotated, Literal

import msgspec

from primitives.codec import U64, Amount, Bytes20, Bytes32, Identifier, Record

ENTRIES_MAX = 16

ErrataReason = Literal["WRONG_AMOUNT", "WRONG_ACCOUNT", "DUPLICATE", "FRAUD", "SOFTWARE", "OTHER"]


class OrderOriginal(Record, tag="order"):
    """An order that is still in the state; `tx` is the transaction that made it."""

    merchant: Bytes20
    order_id: Identifier
    tx: Bytes32


class ReceiptOriginal(Record, tag="receipt"):
    """Any other transaction. `proof`: SHA-256 of the file with its receipt and the proof, anchored under `errata`."""

    tx: Bytes32
    proof: Bytes32


class Credit(Record, tag="credit"):
    """Units for a tourist, owed by the class's issuer. `expires`: unix seconds of a midnight in UTC+8."""

    to: Bytes20
    class_id: Identifier = msgspec.field(name="class")
    units: Amount
    expires: U64


class Debit(Record, tag="debit"):
    """Units that a tourist has, held ones not included; they are burned, those that expire first before others."""

    account: Bytes20
    class_id: Identifier = msgspec.field(name="class")
    units: Amount


class Debt(Record, tag="debt"):
    """uY that a merchant, or the fund, owes another from now on; booked in the open window."""

    debtor: Bytes20
    creditor: Bytes20
    value: Amount


Entry = Credit | Debit | Debt


class Errata(Record, tag="errata"):
    """`number` counts the errata of one transaction from 1, so that none is carried out twice."""

    number: U64
    original: OrderOriginal | ReceiptOriginal
    entries: Annotated[tuple[Entry, ...], msgspec.Meta(min_length=1, max_length=ENTRIES_MAX)]
    reason: ErrataReason
    evidence_hash: Bytes32
