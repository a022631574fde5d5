"""What the rules watch for, and how a regulator answers an alert (2.7)."""

from typing import Final, Literal

from primitives.codec import Bytes20, Bytes32, Record

RiskRule = Literal["SPIKE", "CIRCULAR", "ACCOUNTS", "OVER_CAP", "NEAR_CAP", "STALE", "CONCENTRATION", "WASH"]
Unit = Literal["fen", "days", "accounts", "bps"]

# Of what a rule measures, and of its threshold.
UNITS: Final[dict[RiskRule, Unit]] = {
    "SPIKE": "fen", "CIRCULAR": "fen", "ACCOUNTS": "accounts", "OVER_CAP": "fen", "NEAR_CAP": "fen", "STALE": "days",
    "CONCENTRATION": "bps", "WASH": "fen",
}  # fmt: skip


class AlertAck(Record, tag="alert_ack"):
    """A regulator has looked into an alert; `note_hash` of the note that says what was found.

    An alert is named by its cause: the rule, whom it is about, and for CIRCULAR the other merchant.
    """

    rule: RiskRule
    subject: Bytes20
    note_hash: Bytes32
    other: Bytes20 | None = None
