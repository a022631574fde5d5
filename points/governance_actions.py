"""What the committee may decide, and what each decision changes. Checked when proposed, and again when carried out.

admit: BAD_PROPOSAL (amounts), MERCHANT_UNKNOWN (has not applied, or anew since the proposal), MERCHANT_EXISTS (is
admitted). set_status: MERCHANT_UNKNOWN, BAD_PROPOSAL (notice_days), BAD_STATUS_CHANGE, EXIT_PENDING. set_quota:
BAD_PROPOSAL (nothing given, amounts), MERCHANT_UNKNOWN. set_parameters, program_end: BAD_PROPOSAL. validator_*: as the
transaction of that kind (validator_changes.py). set_class: class_actions.py. errata: errata.py. set_member,
grant_office, revoke_office: offices.py. challenge_*: challenges.py.
"""

from typing import Final, assert_never

from msgspec.structs import fields as struct_fields
from msgspec.structs import replace

from points.applications import admit
from points.challenges import award_challenge, contenders, open_challenge
from points.class_actions import issuer_of, set_class
from points.errata import apply_errata, parties
from points.governance_records import Papers
from points.keys import PARAMS_KEY, merchant_key, papers_key, traded_key
from points.merchant_exit import unfinished
from points.offices import gains, grant_office, revoke_office, set_member
from points.sandbox_actions import execute_sandbox_payload
from points.state import BPS, Merchant, MerchantStatus
from points.turn import Turn
from points.validator_changes import apply_validator_add, apply_validator_remove, apply_validator_replace
from primitives.codes import Code
from primitives.genesis import Parameters
from primitives.kinds_challenges import ChallengeAward, ChallengeOpen
from primitives.kinds_errata import Errata
from primitives.kinds_governance import Admit, Payload, ProgramEnd, SetClass, SetParameters, SetQuota, SetStatus
from primitives.kinds_offices import GrantOffice, RevokeOffice, SetMember
from primitives.kinds_sandbox import RatifyPause, SandboxClose, SandboxOpen
from primitives.kinds_validators import ValidatorAdd, ValidatorRemove, ValidatorReplace
from primitives.receipt import Event

NOTICE_DAYS_MIN: Final = 90  # of a wind-down (2.8)
NOTICE_DAYS_MAX: Final = 3650
DAYS_MAX: Final = 3650
FEN_MAX: Final = 10**15  # 10^13 yuan: far above any market, far below where uY leave 64 bits

_RUNNING: Final = (
    MerchantStatus.ACTIVE, MerchantStatus.ISSUE_SUSPENDED, MerchantStatus.ACCEPT_SUSPENDED, MerchantStatus.SUSPENDED,
)  # fmt: skip
CHANGES: Final[dict[MerchantStatus, tuple[MerchantStatus, ...]]] = {
    **{of: (*(other for other in _RUNNING if other is not of), MerchantStatus.WIND_DOWN) for of in _RUNNING},
    MerchantStatus.WIND_DOWN: (MerchantStatus.SUSPENDED, MerchantStatus.EXITED),
    MerchantStatus.APPLIED: (),  # admit
    MerchantStatus.EXITED: (),
}  # from -> to (2.8)

# Of every parameter but program_end, which has an action of its own. Without a day to pay in, the cut would default
# every debtor in its own second; without a day in which orders are kept, a retry would pay twice.
_BOUNDS: Final = {
    "fee_bps": (0, BPS), "exchange_fee_bps": (0, BPS), "reserve_ratio_bps": (1, BPS), "recv_credit_bps": (0, BPS),
    "breakage_share_bps": (0, BPS), "attestation_days": (1, DAYS_MAX), "settle_days": (1, 30),
    "refund_window_days": (1, DAYS_MAX), "return_window_days": (0, DAYS_MAX), "sponsor_day": (0, 10**9),
    "waterfall": (0, 2), "loss_share_bps": (0, BPS), "operator_validators": (0, 1), "errata_cap": (0, FEN_MAX),
    "alert_least": (0, FEN_MAX), "alert_accounts": (0, 10**9), "alert_stale_days": (0, DAYS_MAX),
    "alert_spike_bps": (0, 100 * BPS), "alert_circular_bps": (0, BPS), "alert_wash_bps": (0, BPS),
    "alert_cap_bps": (0, BPS), "alert_over_bps": (0, 100 * BPS), "alert_concentration_bps": (0, BPS),
    "static_cap": (0, FEN_MAX), "kyc0_lifetime": (0, FEN_MAX), "kyc1_year": (0, FEN_MAX), "kyc2_year": (0, FEN_MAX),
    "transfer_day": (0, FEN_MAX), "holder_limit": (0, FEN_MAX), "quota": (0, FEN_MAX),
}  # fmt: skip
PARAMETERS: Final = frozenset(_BOUNDS) & {field.name for field in struct_fields(Parameters)}


def subjects_of(turn: Turn, payload: Payload) -> tuple[bytes, ...]:
    """The accounts that a decision is about; (): it is about everybody, or about a machine."""
    match payload:
        case Admit() | SetStatus() | SetQuota() | SandboxOpen() | SandboxClose():
            return (payload.merchant,)
        case SetClass():
            return issuer_of(turn, payload.class_id)
        case ChallengeAward():
            return contenders(turn, payload.challenge)
        case Errata():
            return parties(turn, payload)
        case SetMember():
            return (payload.account,) if gains(turn, payload) else ()
        case GrantOffice() | RevokeOffice():
            return (payload.account,)
        case _:
            return ()


def check_payload(turn: Turn, payload: Payload) -> Code:
    """Whether it could be carried out now; nothing is changed.

    How many validators change at once is left to the day of its execution: what is pending now will be done by then.
    """
    mark, events = turn.draft.mark(), list(turn.events)
    code = execute_payload(turn, payload, turn.time)
    turn.draft.rollback(mark)
    turn.reload()
    turn.events = events
    if code is Code.TOO_MANY_CHANGES:
        turn.detail = ""
        return Code.OK
    return code


def execute_payload(turn: Turn, payload: Payload, proposed: int) -> Code:
    """Carry a decision out that was `proposed` at this second; the caller takes its writes back on any code but OK."""
    match payload:
        case Admit():
            return _beyond(turn, payload.quota, payload.credit_limit) or admit(turn, payload, proposed)
        case SetStatus():
            return _set_status(turn, payload)
        case SetQuota():
            return _set_quota(turn, payload)
        case SetClass():
            return set_class(turn, payload)
        case SetParameters():
            return _set_parameters(turn, payload)
        case ProgramEnd():
            return _set_program_end(turn, payload)
        case ValidatorAdd():
            return apply_validator_add(turn, payload)
        case ValidatorRemove():
            return apply_validator_remove(turn, payload)
        case ValidatorReplace():
            return apply_validator_replace(turn, payload)
        case SandboxOpen() | SandboxClose() | RatifyPause():
            return execute_sandbox_payload(turn, payload)
        case Errata():
            return apply_errata(turn, payload)
        case SetMember():
            return set_member(turn, payload)
        case GrantOffice():
            return grant_office(turn, payload)
        case RevokeOffice():
            return revoke_office(turn, payload)
        case ChallengeOpen():
            return open_challenge(turn, payload)
        case ChallengeAward():
            return award_challenge(turn, payload)
        case _:
            assert_never(payload)


def _set_status(turn: Turn, payload: SetStatus) -> Code:
    merchant: Merchant | None = turn.get(merchant_key(payload.merchant))
    if merchant is None:
        return Code.MERCHANT_UNKNOWN
    status = MerchantStatus[payload.status]
    least, most = (NOTICE_DAYS_MIN, NOTICE_DAYS_MAX) if status is MerchantStatus.WIND_DOWN else (0, 0)
    if not least <= payload.notice_days <= most:
        detail = f"notice_days {payload.notice_days}, expected {least} to {most} for {status.name}"
        return turn.refuse(Code.BAD_PROPOSAL, detail)
    if status not in CHANGES[merchant.status]:
        return turn.refuse(Code.BAD_STATUS_CHANGE, f"{merchant.status.name} to {status.name}")
    papers: Papers = turn.get(papers_key(payload.merchant)) or Papers()
    until = papers.wind_down_until
    if status is MerchantStatus.WIND_DOWN:
        until = turn.time + payload.notice_days * 86_400
        turn.put(papers_key(payload.merchant), replace(papers, wind_down_until=until))
    elif status is MerchantStatus.EXITED:
        fault = unfinished(turn, payload.merchant, until)
        if fault:
            return turn.refuse(Code.EXIT_PENDING, fault)
        turn.put(traded_key(payload.merchant), None)
    turn.put(merchant_key(payload.merchant), replace(merchant, status=status))
    ends = (("until", until),) if status is MerchantStatus.WIND_DOWN else ()
    fields = (("status", status.name), ("before", merchant.status.name), *ends)
    turn.events.append(Event("MerchantStatus", fields, (("merchant", payload.merchant),)))
    return Code.OK


def _beyond(turn: Turn, quota: int | None, credit_limit: int | None) -> Code:
    """BAD_PROPOSAL for an amount that no merchant can need."""
    for name, value in (("quota", quota), ("credit_limit", credit_limit)):
        if value is not None and value > FEN_MAX:
            return turn.refuse(Code.BAD_PROPOSAL, f"{name} {value} fen, limit {FEN_MAX}")
    return Code.OK


def _set_quota(turn: Turn, payload: SetQuota) -> Code:
    """A cut, or a higher ratio, may leave a merchant above its cap; then it cannot issue until it is below (INV-7)."""
    ratio = payload.reserve_ratio_bps
    if payload.quota is None and payload.credit_limit is None and ratio is None:
        return turn.refuse(Code.BAD_PROPOSAL, "neither quota nor credit_limit nor reserve_ratio_bps")
    code = _beyond(turn, payload.quota, payload.credit_limit)
    if code:
        return code
    if ratio is not None and ratio > BPS:
        return turn.refuse(Code.BAD_PROPOSAL, f"reserve_ratio_bps {ratio}, expected 0 to {BPS}")
    merchant: Merchant | None = turn.get(merchant_key(payload.merchant))
    if merchant is None:
        return Code.MERCHANT_UNKNOWN
    quota = merchant.quota if payload.quota is None else payload.quota
    credit = merchant.credit_limit if payload.credit_limit is None else payload.credit_limit
    ratio = merchant.reserve_ratio_bps if ratio is None else ratio
    changed = replace(merchant, quota=quota, credit_limit=credit, reserve_ratio_bps=ratio)
    turn.put(merchant_key(payload.merchant), changed)
    fields = (("quota", quota), ("credit_limit", credit), ("reserve_ratio_bps", ratio))
    turn.events.append(Event("MerchantLimits", fields, (("merchant", payload.merchant),)))
    return Code.OK


def _set_parameters(turn: Turn, payload: SetParameters) -> Code:
    """They hold from this moment, also for what the same block still does."""
    values: dict[str, int] = {}
    for change in payload.changes:
        if change.name not in PARAMETERS or change.name in values:
            return turn.refuse(Code.BAD_PROPOSAL, f"{change.name!r} is no such parameter, or stands twice")
        low, high = _BOUNDS[change.name]
        if not low <= change.value <= high:
            return turn.refuse(Code.BAD_PROPOSAL, f"{change.name} {change.value}, expected {low} to {high}")
        values[change.name] = change.value
    following = replace(turn.params, **values)
    before = max(turn.params.refund_window_days, turn.params.return_window_days)
    if max(following.refund_window_days, following.return_window_days) > before:
        detail = f"orders are kept {before} days; what has left the state cannot come back"
        return turn.refuse(Code.BAD_PROPOSAL, detail)
    return _change_parameters(turn, following, tuple(values.items()))


def _set_program_end(turn: Turn, payload: ProgramEnd) -> Code:
    if payload.at and payload.at <= turn.time:
        return turn.refuse(Code.BAD_PROPOSAL, f"the end {payload.at} is past, now {turn.time}")
    return _change_parameters(turn, replace(turn.params, program_end=payload.at), (("program_end", payload.at),))


def _change_parameters(turn: Turn, following: Parameters, values: tuple[tuple[str, int], ...]) -> Code:
    turn.put(PARAMS_KEY, following)
    turn.reload()
    turn.events.append(Event("ParametersChanged", values))
    return Code.OK
