"""Who decides, changed by decision: members of the committee and their weights, and the offices of 2.12.

set_member: ACCOUNT_UNKNOWN, BAD_MEMBER (weight is what it was; another office, a merchant, points held once; a key that
a member or another office has; too many or too few members, too heavy a one).
grant_office: ACCOUNT_UNKNOWN, BAD_MEMBER (as a new member; too many of the office).
revoke_office: ACCOUNT_UNKNOWN, BAD_MEMBER (it has not this office; the last operator, regulator or custodian).

One account changes per decision: naming others beside it would make them stand aside. Nobody weighs more than 40 %, so
without any one of them the others are the 60 % that must take part. A committee that genesis made smaller or more
uneven than that may only come nearer to it.
"""

from typing import Final

from msgspec.structs import replace

from points.authority import shares_key
from points.governance_records import Committee, OfficeHeld
from points.keys import COMMITTEE_KEY, CUSTODIANS_KEY, account_key, holdings_key, merchant_key, office_key
from points.open_recoveries import end_recoveries
from points.state import FUND, NEVER, Account, AccountKind, Custodians, Role
from points.turn import Turn
from primitives.codes import Code
from primitives.kinds_offices import GrantOffice, Office, RevokeOffice, SetMember
from primitives.receipt import Event

MEMBERS_MIN: Final = 3
MEMBERS_MAX: Final = 64
WEIGHT_MAX: Final = 2**56  # of all members: sums of weights times 100 fit every encoding
SHARE_PERCENT: Final = 40  # of the weight in one hand
OFFICE_MAX: Final = 16  # accounts with one office
NEEDED: Final = ("operator", "regulator", "custodian")  # without one of them the network cannot close, stop or pay
BITS: Final[dict[Office, Role]] = {
    "operator": Role.OPERATOR, "regulator": Role.REGULATOR, "custodian": Role.CUSTODIAN, "attester": Role.ATTESTER,
    "auditor": Role.AUDITOR,
}  # fmt: skip


def set_member(turn: Turn, payload: SetMember) -> Code:
    """The caller weighs all open proposals anew."""
    account: Account | None = turn.get(account_key(payload.account))
    if account is None or payload.account == FUND:
        return Code.ACCOUNT_UNKNOWN
    committee: Committee = turn.get(COMMITTEE_KEY)
    weights = dict(committee.members)
    before = weights.pop(payload.account, 0)
    if payload.weight == before:
        return turn.refuse(Code.BAD_MEMBER, f"the weight is {before} already")
    if payload.weight:
        weights[payload.account] = payload.weight
        if not before:
            code = _check_free(turn, payload.account, account, Role.COMMITTEE)
            if code:
                return code
    after = Committee(tuple(sorted(weights.items())))
    fault = _unable(committee, after)
    if fault:
        return turn.refuse(Code.BAD_MEMBER, fault)
    turn.put(COMMITTEE_KEY, after)
    if bool(before) is not bool(payload.weight):
        _put_role(turn, payload.account, account, Role.COMMITTEE if payload.weight else 0)
    fields = (("weight", payload.weight), ("before", before))
    turn.events.append(Event("MemberChanged", fields, (("member", payload.account),)))
    return Code.OK


def grant_office(turn: Turn, payload: GrantOffice) -> Code:
    """The account holds one office, and no points from now on."""
    account: Account | None = turn.get(account_key(payload.account))
    if account is None or payload.account == FUND:
        return Code.ACCOUNT_UNKNOWN
    code = _check_free(turn, payload.account, account, 0)
    if code:
        return code
    count = sum(1 for _ in _holders(turn, payload.office))
    if count >= OFFICE_MAX:
        return turn.refuse(Code.BAD_MEMBER, f"{count} accounts are {payload.office}, limit {OFFICE_MAX}")
    _put_role(turn, payload.account, account, BITS[payload.office])
    turn.put(office_key(payload.office, payload.account), OfficeHeld(turn.time))
    if payload.office == "custodian":
        _put_custodians(turn, (*_custodians(turn), payload.account))
    turn.events.append(Event("OfficeGranted", (("office", payload.office),), (("account", payload.account),)))
    return Code.OK


def revoke_office(turn: Turn, payload: RevokeOffice) -> Code:
    """Its next transaction in this office is refused; what it signed before stands."""
    account: Account | None = turn.get(account_key(payload.account))
    if account is None:
        return Code.ACCOUNT_UNKNOWN
    where = office_key(payload.office, payload.account)
    if turn.get(where) is None:
        return turn.refuse(Code.BAD_MEMBER, f"the account is no {payload.office}")
    if payload.office in NEEDED and sum(1 for _ in _holders(turn, payload.office)) == 1:
        return turn.refuse(Code.BAD_MEMBER, f"the last {payload.office}: grant the office to another one first")
    _put_role(turn, payload.account, account, 0)
    turn.put(where, None)
    if payload.office == "custodian":
        _put_custodians(turn, tuple(who for who in _custodians(turn) if who != payload.account))
    turn.events.append(Event("OfficeRevoked", (("office", payload.office),), (("account", payload.account),)))
    return Code.OK


def gains(turn: Turn, payload: SetMember) -> bool:
    """Whether the change is in favour of the account: then it stands aside. Who is to lose may vote: else 60 % of the
    weight could remove the others one by one."""
    committee: Committee | None = turn.get(COMMITTEE_KEY)
    return payload.weight > dict(committee.members if committee is not None else ()).get(payload.account, 0)


def _check_free(turn: Turn, address: bytes, account: Account, kept: int) -> Code:
    """Offices exclude each other, trade and points (2.12); a key that others have would be two voices in one hand."""
    if account.roles & ~kept:
        return turn.refuse(Code.BAD_MEMBER, "the account has another office")
    if account.kind is AccountKind.MERCHANT or turn.get(merchant_key(address)) is not None:
        return turn.refuse(Code.BAD_MEMBER, "the account is a merchant's")
    if turn.get(holdings_key(address)) is not None:
        return turn.refuse(Code.BAD_MEMBER, "the account holds or held points")
    committee: Committee | None = turn.get(COMMITTEE_KEY)
    members = tuple(member for member, _ in committee.members) if committee is not None else ()
    start = office_key("", b"")[:1]
    holders = (key[-20:] for key, _ in turn.draft.range(start, bytes((start[0] + 1,))))
    for other in (*members, *holders):
        if other != address and shares_key(account, turn.get(account_key(other))):
            return turn.refuse(Code.BAD_MEMBER, "a member or another office has one of its keys")
    return Code.OK


def _unable(before: Committee, after: Committee) -> str:
    """Why the committee could not decide after the change, or ""."""
    count, least = len(after.members), min(MEMBERS_MIN, len(before.members))
    if not least <= count <= MEMBERS_MAX:
        return f"{count} members, expected {least} to {MEMBERS_MAX}"
    total, heaviest = _weights(after)
    if total > WEIGHT_MAX:
        return f"the committee weighs {total}, limit {WEIGHT_MAX}"
    total_before, heaviest_before = _weights(before)
    if 100 * heaviest > SHARE_PERCENT * total and heaviest * total_before > heaviest_before * total:
        return f"one member weighs {heaviest} of {total}, limit {SHARE_PERCENT} %"
    return ""


def _weights(committee: Committee) -> tuple[int, int]:
    """The sum, and the heaviest."""
    weights = [weight for _, weight in committee.members]
    return sum(weights), max(weights, default=0)


def _put_role(turn: Turn, address: bytes, account: Account, bits: int) -> None:
    """In an office nobody is a tourist, has a tier, or is recovered by guardians; without one it is a new tourist."""
    kind = AccountKind.SYSTEM if bits else AccountKind.TOURIST
    end_recoveries(turn, address, "keys")
    turn.put(
        account_key(address),
        replace(
            account, kind=kind, roles=int(bits), tier=0, tier_expires=NEVER, guardians=(), guardian_threshold=0,
            next_guardians=(), next_threshold=0, next_from=NEVER, offices_until=0,
        ),
    )


def _holders(turn: Turn, office: Office) -> tuple[bytes, ...]:
    start = office_key(office, b"")
    return tuple(key[len(start) :] for key, _ in turn.draft.range(start, start[:-1] + b"\x01"))


def _custodians(turn: Turn) -> tuple[bytes, ...]:
    found: Custodians | None = turn.get(CUSTODIANS_KEY)
    return found.accounts if found is not None else ()


def _put_custodians(turn: Turn, accounts: tuple[bytes, ...]) -> None:
    turn.put(CUSTODIANS_KEY, Custodians(accounts))
