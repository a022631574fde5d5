"""How an account becomes a merchant: it applies with the hash of its documents, the committee admits it (2.8).

merchant_apply: ACCOUNT_FROZEN, NOT_AUTHORISED, MERCHANT_EXISTS, NOT_AUTHORISED (holds or held points, D3),
MEMO_TOO_LONG, MEMO_CHARSET (names).

An applicant is of kind MERCHANT at once, so nobody can spoil its application by giving it points. An application that
is not admitted in time lapses: the account is a tourist's again.
"""

from typing import Any, Final

from msgspec.structs import replace

from points.governance_records import Papers, Timer
from points.keys import account_key, application_timer_key, books_key, holdings_key, merchant_key, papers_key
from points.memo import check_memo
from points.state import NO_BOOKS, Account, AccountKind, Merchant, MerchantStatus
from points.turn import Turn
from points.view import View
from primitives.codes import Code
from primitives.kinds import MerchantApply
from primitives.kinds_governance import Admit
from primitives.receipt import Event

APPLICATION_SECONDS: Final = 30 * 86_400


def apply_merchant_apply(turn: Turn, body: MerchantApply) -> Code:
    """The sender's application stands for 30 days."""
    if turn.get(merchant_key(turn.sender)) is not None:
        return Code.MERCHANT_EXISTS
    if turn.get(holdings_key(turn.sender)) is not None:
        return turn.refuse(Code.NOT_AUTHORISED, "an account that holds or held points cannot become a merchant")
    for name in (body.name_zh, body.name_en):
        code = check_memo(name.encode())
        if code:
            return code
    due = turn.time + APPLICATION_SECONDS
    turn.put(account_key(turn.sender), replace(turn.account, kind=AccountKind.MERCHANT))
    turn.put(merchant_key(turn.sender), Merchant(body.category, MerchantStatus.APPLIED, 0, turn.time, 0, 0))
    turn.put(books_key(turn.sender), NO_BOOKS)
    turn.put(papers_key(turn.sender), Papers(body.name_zh, body.name_en, body.docs_hash, turn.time, due))
    turn.put(application_timer_key(due, turn.sender), Timer())
    fields = (("category", body.category), ("name_zh", body.name_zh), ("name_en", body.name_en), ("lapses", due))
    turn.events.append(Event("MerchantApplied", fields, (("merchant", turn.sender),), (("documents", body.docs_hash),)))
    return Code.OK


def admit(turn: Turn, payload: Admit, proposed: int) -> Code:
    """The applicant is ACTIVE; it issues once its reserve is attested. What it applied for after `proposed` (seconds)
    nobody has put to the vote."""
    merchant: Merchant | None = turn.get(merchant_key(payload.merchant))
    if merchant is None:
        return turn.refuse(Code.MERCHANT_UNKNOWN, "the account has not applied, or its application has lapsed")
    if merchant.status is not MerchantStatus.APPLIED:
        return turn.refuse(Code.MERCHANT_EXISTS, merchant.status.name)
    papers: Papers = turn.get(papers_key(payload.merchant))
    if papers.applied > proposed:
        return turn.refuse(Code.MERCHANT_UNKNOWN, f"it applied anew at {papers.applied}, the proposal is of {proposed}")
    turn.put(application_timer_key(papers.due, payload.merchant), None)
    turn.put(papers_key(payload.merchant), replace(papers, due=0))
    admitted = replace(merchant, status=MerchantStatus.ACTIVE, credit_limit=payload.credit_limit, quota=payload.quota)
    turn.put(merchant_key(payload.merchant), admitted)
    fields = (("status", admitted.status.name), ("before", merchant.status.name))
    turn.events.append(Event("MerchantStatus", fields, (("merchant", payload.merchant),)))
    return Code.OK


def application_due(turn: Turn, applicant: bytes) -> None:
    """The time is over. While a reserve is attested for it, the application stands for another 30 days."""
    papers: Papers = turn.get(papers_key(applicant))
    merchant: Merchant = turn.get(merchant_key(applicant))
    turn.put(application_timer_key(papers.due, applicant), None)
    if merchant.reserve:
        due = turn.time + APPLICATION_SECONDS
        turn.put(papers_key(applicant), replace(papers, due=due))
        turn.put(application_timer_key(due, applicant), Timer())
        return
    account: Account = turn.get(account_key(applicant))
    turn.put(account_key(applicant), replace(account, kind=AccountKind.TOURIST))
    for key in (merchant_key(applicant), books_key(applicant), papers_key(applicant)):
        turn.put(key, None)
    turn.events.append(Event("ApplicationLapsed", (), (("merchant", applicant),)))


def papers_plain(view: View, merchant: bytes) -> dict[str, Any]:
    """What a merchant's application said, and the end of its notice, as JSON; {} for one of genesis that stays."""
    found: Papers | None = view.get(papers_key(merchant))
    if found is None:
        return {}
    plain: dict[str, Any] = {"wind_down_until": found.wind_down_until or None}
    if found.applied:
        plain |= {
            "name_zh": found.name_zh, "name_en": found.name_en, "docs_hash": found.docs_hash.hex(),
            "applied": found.applied, "application_lapses": found.due or None,
        }  # fmt: skip
    return plain
