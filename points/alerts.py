"""Risk alerts: facts that a regulator should look into. They are told and kept; no rule ever asks for them (2.7).

alert_ack: ACCOUNT_FROZEN, NOT_REGULATOR, ALERT_UNKNOWN, ALERT_CLOSED.
An alert costs its causer nothing and gives nobody anything: whoever could raise one against a rival, or bury one under
others, gains only the regulator's attention. Their number is bounded: one per rule and merchant or sponsor, and per day
a few pairs of merchants.
"""

from typing import Final

from msgspec.structs import replace

from points.days import DAY_SECONDS, day_of
from points.keys import WATCH_KEY, alert_key
from points.risk_records import ALERT_SECONDS, Alert, Watch
from points.turn import Fields, Turn
from primitives.codec import U64_MAX
from primitives.codes import Code
from primitives.kinds_risk import AlertAck, RiskRule
from primitives.receipt import Event

NO_WATCH: Final = Watch()
QUIET_SECONDS: Final = 7 * DAY_SECONDS
STANDING: Final = ("OVER_CAP", "NEAR_CAP", "STALE", "CONCENTRATION")  # conditions that last, told of merchants


def raise_alert(turn: Turn, rule: RiskRule, subject: bytes, value: int, limit: int, other: bytes = b"") -> None:
    """Tell a cause, at most once per day (UTC+8). Total: it runs in begin_block too.

    An acknowledged condition that merely lasts is not told again for QUIET_SECONDS. In a transaction the event leaves
    out the figures: whoever reads its receipt, perhaps a tourist, need not learn how much of a cap is used (2.12).
    """
    key = alert_key(rule, subject, other)
    old: Alert | None = turn.get(key)
    if old is not None and day_of(old.last) == turn.day:
        return
    found = Alert(turn.time, turn.time, 1, min(value, U64_MAX), min(limit, U64_MAX), turn.time + ALERT_SECONDS)
    if old is not None and old.acked and rule in STANDING and turn.time < old.acked + QUIET_SECONDS:
        turn.put(key, replace(old, last=found.last, value=found.value, limit=found.limit, expires=found.expires))
        return
    if old is not None and old.lives(turn.time) and not old.acked:
        found = replace(found, first=old.first, days=old.days + 1)
    turn.put(key, found)
    watch: Watch = turn.get(WATCH_KEY) or NO_WATCH
    turn.put(WATCH_KEY, replace(watch, told=watch.told + 1))
    figures: Fields = () if turn.tx else (("value", found.value), ("limit", found.limit))
    fields: Fields = (("rule", rule), *figures, ("first", found.first), ("days", found.days))
    accounts = (("subject", subject), ("other", other)) if other else (("subject", subject),)
    turn.events.append(Event("RiskAlert", fields, accounts))


def apply_alert_ack(turn: Turn, body: AlertAck) -> Code:
    """A regulator closes an alert with a note that it keeps elsewhere; the two of CIRCULAR in either order."""
    parties = sorted([body.subject] if body.other is None else [body.subject, body.other])
    key = alert_key(body.rule, *parties)
    alert: Alert | None = turn.get(key)
    if alert is None or not alert.lives(turn.time):
        return Code.ALERT_UNKNOWN
    if alert.acked:
        return turn.refuse(Code.ALERT_CLOSED, f"acknowledged at {alert.acked}")
    turn.put(key, replace(alert, acked=turn.time, by=turn.sender, note=body.note_hash))
    accounts = (*zip(("subject", "other"), parties, strict=False), ("regulator", turn.sender))
    turn.events.append(Event("AlertAcknowledged", (("rule", body.rule),), accounts, (("note", body.note_hash),)))
    return Code.OK
