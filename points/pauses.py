"""The emergency pause: no value moves, everything that gives back, settles or decides goes on (2.10, D10).

A regulator alone may stop the network for 72 hours in all, in one piece or several; the count begins anew when seven
days have passed without a pause. The committee ratifies a running pause, which then lasts at most 30 days from its
start. It ends by comparison with block time. Points expire and holds are released in it as on any other day.

emergency_pause: ACCOUNT_FROZEN, NOT_REGULATOR, MEMO_* (reason), BAD_PAUSE (one is running, or the time).
emergency_resume: ACCOUNT_FROZEN, NOT_REGULATOR, BAD_PAUSE (none is running).
ratify_pause, a decision: BAD_PAUSE (none is running, or the time).

In a pause the kinds of STOPPED answer NETWORK_PAUSED where they would have answered OK: a repetition hears of
its first (D2), a fault is told as on any other day.
"""

from typing import Final

from msgspec.structs import replace

from points.keys import PAUSE_KEY
from points.memo import check_memo, memo_field
from points.sandbox_records import Pause
from points.turn import Fields, Turn
from primitives import kinds
from primitives.codes import Code
from primitives.kinds_assets import AssetSwap, OfflineEscrow
from primitives.kinds_campaigns import BatchIssue, CampaignClaim
from primitives.kinds_identity import RecoveryFinish
from primitives.kinds_sandbox import EmergencyPause, EmergencyResume, RatifyPause
from primitives.receipt import Event

SOLE_SECONDS: Final = 72 * 3600  # on a regulator's word
QUIET_SECONDS: Final = 7 * 86_400  # without a pause, until these 72 hours are there again
RATIFIED_SECONDS: Final = 30 * 86_400  # from the start of a pause

# Grants, payments, transfers, taking back; and an account that goes into other hands. All other kinds go on.
STOPPED: Final[frozenset[type]] = frozenset({
    kinds.Issue, kinds.ReverseIssue, BatchIssue, CampaignClaim, kinds.Redeem, kinds.RedeemByToken, kinds.Authorize,
    kinds.Capture, kinds.Exchange, kinds.Transfer, AssetSwap, OfflineEscrow, RecoveryFinish,
})  # fmt: skip


def stops(turn: Turn, kind: type) -> bool:
    """Whether a pause refuses this kind now."""
    return turn.time < turn.paused_until and kind in STOPPED


def running(turn: Turn) -> Pause | None:
    """The pause in force."""
    found: Pause | None = turn.get(PAUSE_KEY)
    return found if found is not None and turn.time < found.until else None


def used_seconds(last: Pause | None, time_s: int) -> int:
    """How much of the regulators' 72 hours is used up at this moment, after the last pause ended."""
    if last is None or time_s >= last.until + QUIET_SECONDS:
        return 0
    return last.used + last.sole_until - last.started


def apply_emergency_pause(turn: Turn, body: EmergencyPause) -> Code:
    """A regulator stops the network, from the next transaction on."""
    code = check_memo(body.reason)
    if code:
        return code
    if running(turn) is not None:
        return turn.refuse(Code.BAD_PAUSE, f"paused until {turn.paused_until} already; the committee ratifies more")
    used = used_seconds(turn.get(PAUSE_KEY), turn.time)
    last = turn.time + SOLE_SECONDS - used
    if not turn.time < body.until <= last:
        return turn.refuse(Code.BAD_PAUSE, f"until {body.until}, expected {turn.time + 1} to {last}")
    _put(turn, Pause(turn.sender, turn.time, body.until, body.until, used))
    fields: Fields = (("until", body.until), *memo_field(body.reason))
    turn.events.append(Event("NetworkPaused", fields, (("regulator", turn.sender),)))
    return Code.OK


def apply_emergency_resume(turn: Turn, body: EmergencyResume) -> Code:
    """A regulator ends the pause before its time, a ratified one too."""
    found = running(turn)
    if found is None:
        return turn.refuse(Code.BAD_PAUSE, "the network is not paused")
    _put(turn, replace(found, until=turn.time, sole_until=min(found.sole_until, turn.time)))
    turn.events.append(Event("NetworkResumed", (("until", turn.time),), (("regulator", turn.sender),)))
    return Code.OK


def ratify(turn: Turn, payload: RatifyPause) -> Code:
    """The committee has decided how long the pause that is running lasts."""
    found = running(turn)
    if found is None:
        return turn.refuse(Code.BAD_PAUSE, "the network is not paused")
    last = found.started + RATIFIED_SECONDS
    if not turn.time < payload.until <= last:
        return turn.refuse(Code.BAD_PAUSE, f"until {payload.until}, expected {turn.time + 1} to {last}")
    sole = min(found.sole_until, turn.time)
    _put(turn, replace(found, until=payload.until, sole_until=sole, ratified=True))
    turn.events.append(Event("PauseRatified", (("until", payload.until),), (("regulator", found.regulator),)))
    return Code.OK


def _put(turn: Turn, pause: Pause) -> None:
    turn.put(PAUSE_KEY, pause)
    turn.reload()
