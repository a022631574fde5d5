"""Campaigns: points granted from a budget, by the issuer in batches or claimed by who stands in a list (INV-15).

campaign_create: ACCOUNT_FROZEN, NOT_AUTHORISED, BAD_AMOUNT (budget or per_account 0), BAD_CAMPAIGN (times),
CLASS_UNKNOWN, NOT_ISSUER, MERCHANT_SUSPENDED, PROGRAM_ENDED, BAD_CLASS (retired), EARN_CAP (nothing is paid for what a
campaign grants), BAD_CAMPAIGN (no list for a RESTRICTED class), CAMPAIGN_EXISTS, VELOCITY.
batch_issue: NOT_AUTHORISED, OK_DUPLICATE or IDEMPOTENCY_CONFLICT, ACCOUNT_FROZEN, BATCH_TOO_LARGE, BAD_AMOUNT (no
entry, or units 0), BATCH_DUPLICATE, then for the entries in order ACCOUNT_UNKNOWN, NOT_AUTHORISED (no tourist),
ACCOUNT_FROZEN (mode ALL), then CLASS_UNKNOWN, NOT_ISSUER, CAMPAIGN_UNKNOWN, BAD_CAMPAIGN (of another class, or a
RESTRICTED one), CLAIM_CLOSED, MERCHANT_SUSPENDED, PROGRAM_ENDED, BAD_CLASS (retired), EARN_CAP, ORDER_MAXIMUM,
CAMPAIGN_BUDGET, KEY_LIMIT, RESERVE_EXCEEDED, QUOTA_EXCEEDED, SANDBOX_LIMIT, HOLDER_LIMIT, OVERFLOW.
campaign_claim: ACCOUNT_FROZEN, NOT_AUTHORISED (no tourist), BAD_AMOUNT, CAMPAIGN_UNKNOWN, CLAIM_CLOSED, CLAIMED,
BAD_PROOF, ACCOUNT_FROZEN (issuer), MERCHANT_SUSPENDED, PROGRAM_ENDED, BAD_CLASS (retired), EARN_CAP, ORDER_MAXIMUM,
CAMPAIGN_BUDGET, RESERVE_EXCEEDED, QUOTA_EXCEEDED, SANDBOX_LIMIT, HOLDER_LIMIT, OVERFLOW.
campaign_close: ACCOUNT_FROZEN, NOT_AUTHORISED, CAMPAIGN_UNKNOWN, NOT_ISSUER, CLAIM_CLOSED (closed or over already).
"""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from points.authority import charge_daily, charge_keys, is_tourist
from points.campaign_records import BatchOrder, Campaign, Grant
from points.days import DAY_SECONDS
from points.issuing import Program, check_open, check_room, credit, program_of, tell_near_cap
from points.keys import account_key, campaign_key, class_key, daily_key, grant_key, order_key
from points.orders import find_order
from points.state import NEVER, NO_BOOKS, UY_PER_FEN, Account, Class, Frozen
from points.turn import Fields, Turn, frozen_mode, is_shut
from points.view import View
from primitives.codes import Code
from primitives.kinds_campaigns import (
    ENTRIES_MAX,
    BatchIssue,
    CampaignClaim,
    CampaignClose,
    CampaignCreate,
    Entry,
    batch_digest,
    is_listed,
)
from primitives.receipt import Event

CAMPAIGNS_PER_DAY: Final = 64  # of a merchant: each stays in the state for years
CAMPAIGN_DAYS_MAX: Final = 1095  # from its creation to its end: its grants stay in the state that long


def apply_campaign_create(turn: Turn, body: CampaignCreate) -> Code:
    """The sender commits a budget of one of its classes, and the list of those who may claim."""
    if not body.budget or not body.per_account:
        return turn.refuse(Code.BAD_AMOUNT, "a budget or a limit per account of 0")
    fault = _times_fault(turn, body)
    if fault:
        return turn.refuse(Code.BAD_CAMPAIGN, fault)
    of: Class | None = turn.get(class_key(body.class_id))
    if of is None:
        return Code.CLASS_UNKNOWN
    if of.issuer != turn.sender:
        return Code.NOT_ISSUER
    code = check_open(turn, program_of(turn, body.class_id, of))
    if code:
        return code
    if of.earn_cap_bps:
        return turn.refuse(Code.EARN_CAP, "the class has an earn cap, and nothing is paid for points of a campaign")
    if of.kind == "RESTRICTED" and body.root is None:
        return turn.refuse(Code.BAD_CAMPAIGN, "a RESTRICTED class needs a list of the eligible accounts")
    if turn.get(campaign_key(body.campaign)) is not None:
        return Code.CAMPAIGN_EXISTS
    if not charge_daily(turn, daily_key(turn.day, b"c", turn.sender), 1, CAMPAIGNS_PER_DAY):
        return turn.refuse(Code.VELOCITY, f"{CAMPAIGNS_PER_DAY} campaigns per merchant and day")
    created = Campaign(
        turn.sender, body.class_id, body.budget, body.per_account, body.starts, body.ends, body.root or b""
    )
    turn.put(campaign_key(body.campaign), created)
    fields: Fields = (
        ("campaign", body.campaign), ("class", body.class_id), ("budget", body.budget),
        ("per_account", body.per_account), ("starts", body.starts), ("ends", body.ends),
    )  # fmt: skip
    hashes = () if body.root is None else (("root", body.root),)
    turn.events.append(Event("CampaignCreated", fields, (("merchant", turn.sender),), hashes))
    return Code.OK


def _times_fault(turn: Turn, body: CampaignCreate) -> str:
    if body.ends <= body.starts:
        return f"ends {body.ends} is not after starts {body.starts}"
    if body.ends <= turn.time:
        return f"ends {body.ends} is past, block time {turn.time}"
    last = turn.time + CAMPAIGN_DAYS_MAX * DAY_SECONDS
    return f"ends {body.ends} is more than {CAMPAIGN_DAYS_MAX} days ahead" if body.ends > last else ""


def apply_campaign_close(turn: Turn, body: CampaignClose) -> Code:
    """The rest of the budget lapses."""
    campaign: Campaign | None = turn.get(campaign_key(body.campaign))
    if campaign is None:
        return Code.CAMPAIGN_UNKNOWN
    if campaign.issuer != turn.sender:
        return Code.NOT_ISSUER
    if campaign.closed or turn.time >= campaign.ends:
        return turn.refuse(Code.CLAIM_CLOSED, "the campaign is over already")
    turn.put(campaign_key(body.campaign), replace(campaign, closed=True))
    fields: Fields = (("campaign", body.campaign), ("budget", campaign.budget), ("granted", campaign.granted))
    turn.events.append(Event("CampaignClosed", fields, (("merchant", turn.sender),)))
    return Code.OK


def check_running(turn: Turn, campaign: Campaign) -> Code:
    """CLAIM_CLOSED unless starts <= block time < ends and nobody closed it."""
    if campaign.closed:
        return turn.refuse(Code.CLAIM_CLOSED, "the issuer has closed the campaign")
    if not campaign.starts <= turn.time < campaign.ends:
        return turn.refuse(Code.CLAIM_CLOSED, f"open from {campaign.starts} to {campaign.ends}, now {turn.time}")
    return Code.OK


def apply_batch_issue(turn: Turn, body: BatchIssue) -> Code:
    """The issuer grants to many accounts at once; one fault and none of them gets anything."""
    batch = batch_digest(body)
    order = find_order(turn, turn.sender, body.order_id)
    if order is not None:
        return turn.repeated(isinstance(order, BatchOrder) and order.batch == batch, order)
    if turn.frozen():
        return Code.ACCOUNT_FROZEN
    code = _check_entries(turn, body.entries) or _batch(turn, body)
    if not code:
        units = sum(units for _, units in body.entries)
        done = BatchOrder(
            body.campaign, batch, len(body.entries), units, turn.time, turn.tx, turn.height, turn.index
        )
        turn.put(order_key(turn.sender, body.order_id), done)
    return code


def _batch(turn: Turn, body: BatchIssue) -> Code:
    of: Class | None = turn.get(class_key(body.class_id))
    if of is None:
        return Code.CLASS_UNKNOWN
    if of.issuer != turn.sender:
        return Code.NOT_ISSUER
    campaign: Campaign | None = turn.get(campaign_key(body.campaign))
    if campaign is None:
        return Code.CAMPAIGN_UNKNOWN
    if campaign.class_id != body.class_id:
        return turn.refuse(Code.BAD_CAMPAIGN, f"the campaign grants {campaign.class_id}")
    if of.kind == "RESTRICTED":
        return turn.refuse(Code.BAD_CAMPAIGN, "points of a RESTRICTED class are claimed by who stands in the list")
    return check_running(turn, campaign) or _grant(turn, body.campaign, campaign, of, body.entries, claimed=False)


def _check_entries(turn: Turn, entries: Sequence[Entry]) -> Code:
    if len(entries) > ENTRIES_MAX:
        return turn.refuse(Code.BATCH_TOO_LARGE, f"{len(entries)} entries, limit {ENTRIES_MAX}")
    if not entries or not all(units for _, units in entries):
        return Code.BAD_AMOUNT
    if len({account for account, _ in entries}) != len(entries):
        return Code.BATCH_DUPLICATE
    for number, (address, _) in enumerate(entries):
        to: Account | None = turn.get(account_key(address))
        if to is None:
            return turn.refuse(Code.ACCOUNT_UNKNOWN, f"entry {number}")
        if not is_tourist(to):
            return turn.refuse(Code.NOT_AUTHORISED, f"entry {number}: only tourists hold points")
        if is_shut(to, turn.time):
            return turn.refuse(Code.ACCOUNT_FROZEN, f"entry {number}")
    return Code.OK


def apply_campaign_claim(turn: Turn, body: CampaignClaim) -> Code:
    """The sender stands in the list and takes its units; the list is the issuer's signature for it."""
    if not body.units:
        return Code.BAD_AMOUNT
    campaign: Campaign | None = turn.get(campaign_key(body.campaign))
    if campaign is None:
        return Code.CAMPAIGN_UNKNOWN
    code = check_running(turn, campaign)
    if code:
        return code
    before: Grant | None = turn.get(grant_key(body.campaign, turn.sender))
    if before is not None and before.claimed:
        return Code.CLAIMED
    if not campaign.root or not is_listed(campaign.root, body.campaign, turn.sender, body.units, body.proof):
        return Code.BAD_PROOF
    if frozen_mode(turn.get(account_key(campaign.issuer)), turn.time) is not Frozen.NO:
        return turn.refuse(Code.ACCOUNT_FROZEN, "the issuer")
    of = turn.class_of(campaign.class_id)
    return _grant(turn, body.campaign, campaign, of, ((turn.sender, body.units),), claimed=True)


def _grant(
    turn: Turn, campaign_id: str, campaign: Campaign, of: Class, entries: Sequence[Entry], claimed: bool
) -> Code:
    """Everything that bounds a grant, on the sum of the entries; then one lot and one event for each of them.

    The issuer's keys are charged for what they sign: batches, not claims.
    """
    program = program_of(turn, campaign.class_id, of)
    code = check_open(turn, program)
    if code:
        return code
    if of.earn_cap_bps:  # by decision of the committee since the campaign began
        return turn.refuse(Code.EARN_CAP, "the class has an earn cap, and nothing is paid for points of a campaign")
    if any(units > of.max_per_order for _, units in entries):
        return Code.ORDER_MAXIMUM
    total = sum(units for _, units in entries)
    if campaign.granted + total > campaign.budget:
        left = campaign.budget - campaign.granted
        return turn.refuse(Code.CAMPAIGN_BUDGET, f"{total} units, {left} left of the budget")
    grants = [_with_more(turn, campaign_id, entry, claimed) for entry in entries]
    if any(grant.units > campaign.per_account for grant in grants):
        return turn.refuse(Code.CAMPAIGN_BUDGET, f"more than {campaign.per_account} units of one account")
    value = total * of.uv
    if not claimed and not charge_keys(turn, turn.sender, turn.signers, -(-value // UY_PER_FEN)):
        return Code.KEY_LIMIT
    code = check_room(turn, program, turn.get(program.books) or NO_BOOKS, value)
    if code:
        return code
    new = 0
    for (account, units), grant in zip(entries, grants, strict=True):
        code = _credit_entry(turn, campaign_id, program, account, units)
        if code:
            return code
        key = grant_key(campaign_id, account)
        new += turn.get(key) is None
        turn.put(key, grant)
    turn.put(
        campaign_key(campaign_id), replace(campaign, granted=campaign.granted + total, accounts=campaign.accounts + new)
    )
    tell_near_cap(turn, of.issuer, program.cap, value)
    return Code.OK


def _with_more(turn: Turn, campaign_id: str, entry: Entry, claimed: bool) -> Grant:
    """What the account of an entry will have had of the campaign."""
    before: Grant | None = turn.get(grant_key(campaign_id, entry[0]))
    if before is None:
        return Grant(entry[1], claimed)
    return Grant(before.units + entry[1], claimed or before.claimed)


def _credit_entry(turn: Turn, campaign_id: str, program: Program, to: bytes, units: int) -> Code:
    code = credit(turn, program, to, units)
    if code:
        return code
    of = program.of
    fields: Fields = (
        ("campaign", campaign_id), ("class", program.class_id), ("units", units), ("value", units * of.uv),
        ("reason", "CAMPAIGN"), ("cash_value", 0), ("bucket", program.bucket), ("from_day", program.from_day),
    )  # fmt: skip
    turn.events.append(Event("Issued", fields, (("merchant", of.issuer), ("to", to))))
    return Code.OK


def over_at(turn: Turn, key: bytes, retention: int) -> int:
    """When a new campaign or grant leaves the state: a grant with the end, a campaign as long after it as an order.

    A campaign so outlives its grants, and its id is free again only when no claim of the old one could count.
    """
    campaign: Campaign = turn.get(_campaign_of(key))
    return min(campaign.ends + retention + 1, NEVER) if key[:1] == b"a" else campaign.ends


def is_unlisted(turn: Turn, key: bytes, below: View) -> bool:
    """Whether no list names this campaign or grant yet; an id may come again in the block that its old one left."""
    before: Campaign | None = below.get(_campaign_of(key))
    campaign: Campaign = turn.get(_campaign_of(key))
    return below.get(key) is None or before is None or before.ends != campaign.ends


def _campaign_of(key: bytes) -> bytes:
    return key if key[:1] == b"a" else campaign_key(key[1 : key.index(b"\x00")].decode())
