"""Where each record stands: key bytes from the nouns that name it. Prefixes are listed in state.RECORDS."""

from typing import Final

PARAMS_KEY: Final = b"p"
HEAD_KEY: Final = b"w"
CUSTODIANS_KEY: Final = b"r"
REGISTER_KEY: Final = b"v"
COMMITTEE_KEY: Final = b"j"
PAUSE_KEY: Final = b"o"
WATCH_KEY: Final = b"z"
FUND_MONEY_KEY: Final = b"lf"


def account_key(address: bytes) -> bytes:
    """Account."""
    return b"A" + address


def holdings_key(address: bytes) -> bytes:
    """Holdings of a tourist."""
    return b"L" + address


def merchant_key(address: bytes) -> bytes:
    """Merchant."""
    return b"M" + address


def books_key(merchant: bytes) -> bytes:
    """Books."""
    return b"B" + merchant


def class_key(class_id: str) -> bytes:
    """Class."""
    return b"C" + class_id.encode()


def counters_key(class_id: str) -> bytes:
    """Counters of a class."""
    return b"K" + class_id.encode()


def open_agg_key(bucket: int, class_id: str) -> bytes:
    """Agg of a class and expiry that is not closed; in order of expiry."""
    return b"G" + bucket.to_bytes(8, "big") + class_id.encode()


def closed_agg_key(bucket: int, class_id: str) -> bytes:
    """Of a bucket that expired while holds on it were open."""
    return b"g" + bucket.to_bytes(8, "big") + class_id.encode()


def hold_key(hold_id: bytes) -> bytes:
    """Hold."""
    return b"H" + hold_id


def due_hold_key(expires_at: int, hold_id: bytes) -> bytes:
    """The timer of an open hold; in order of (expires_at, hold id) (D10)."""
    return b"T" + expires_at.to_bytes(8, "big") + hold_id


def order_key(merchant: bytes, order_id: str) -> bytes:
    """Order of a merchant, of any kind (D2)."""
    return b"O" + merchant + order_id.encode()


def refund_key(merchant: bytes, order_id: str, refund_id: str) -> bytes:
    """The zero byte cannot stand in an identifier, so no two pairs share a key."""
    return b"R" + merchant + order_id.encode() + b"\x00" + refund_id.encode()


def window_key(window: int) -> bytes:
    """Window."""
    return b"W" + window.to_bytes(8, "big")


def due_window_key(due: int, window: int) -> bytes:
    """The timer of a window's defaults."""
    return b"X" + due.to_bytes(8, "big") + window.to_bytes(8, "big")


def obligation_key(window: int, debtor: bytes, creditor: bytes) -> bytes:
    """Obligation in a window; by debtor, then creditor."""
    return b"Y" + window.to_bytes(8, "big") + debtor + creditor


def position_key(window: int, participant: bytes) -> bytes:
    """Position of a participant of a closed window."""
    return b"N" + window.to_bytes(8, "big") + participant


def leg_key(window: int, payer: bytes, payee: bytes) -> bytes:
    """Leg of a closed window; by payer, then payee."""
    return b"E" + window.to_bytes(8, "big") + payer + payee


def carry_key(participant: bytes) -> bytes:
    """Carry into the open window."""
    return b"V" + participant


def traded_key(merchant: bytes) -> bytes:
    """Traded of a merchant."""
    return b"t" + merchant


def daily_key(day: int, what: bytes, who: bytes) -> bytes:
    """`what` is one byte.

    k key limit, t transfers of a sender, q static code, s sponsor, a anchors, r assets, c campaigns.
    """
    return b"D" + day.to_bytes(4, "big") + what + who


def used_key(account: bytes, key: bytes, seq: int) -> bytes:
    """A used pay code."""
    return b"U" + account + key + seq.to_bytes(8, "big")


def asset_key(asset: str) -> bytes:
    """Asset."""
    return b"e" + asset.encode()


def anchor_key(namespace: str, evidence: bytes) -> bytes:
    """Anchored; by namespace. The zero byte cannot stand in a namespace."""
    return b"f" + namespace.encode() + b"\x00" + evidence


def recoveries_key(address: bytes) -> bytes:
    """Recoveries of an account."""
    return b"d" + address


def papers_key(merchant: bytes) -> bytes:
    """Papers of a merchant; behind the committee's key."""
    return COMMITTEE_KEY + merchant


def proposal_key(proposal: str) -> bytes:
    """Proposal."""
    return b"h" + proposal.encode()


def vote_key(proposal: str, member: bytes) -> bytes:
    """Vote; by proposal, then member. The zero byte cannot stand in an identifier."""
    return b"i" + proposal.encode() + b"\x00" + member


def proposal_timer_key(due: int, proposal: str) -> bytes:
    """The only timer of a proposal (D10)."""
    return b"k" + due.to_bytes(8, "big") + b"p" + proposal.encode()


def application_timer_key(due: int, applicant: bytes) -> bytes:
    """The timer of an application."""
    return b"k" + due.to_bytes(8, "big") + b"a" + applicant


def campaign_key(campaign: str) -> bytes:
    """Campaign."""
    return b"a" + campaign.encode()


def grant_key(campaign: str, account: bytes) -> bytes:
    """Grant; by campaign, then account. The zero byte cannot stand in an identifier."""
    return b"b" + campaign.encode() + b"\x00" + account


def sandbox_key(sandbox: str) -> bytes:
    """Sandbox."""
    return b"s" + sandbox.encode()


def enrolled_key(sandbox: str, account: bytes) -> bytes:
    """Enrolled; by sandbox, then account. The zero byte cannot stand in an identifier."""
    return b"u" + sandbox.encode() + b"\x00" + account


def garbage_key(due: int, first: bytes) -> bytes:
    """Garbage that is due; one block's records differ by their first key."""
    return b"P" + due.to_bytes(8, "big") + first


def loss_key(window: int, payee: bytes) -> bytes:
    """Loss of a creditor in a defaulted window."""
    return b"lw" + window.to_bytes(8, "big") + payee


def help_key(window: int, payee: bytes, helper: bytes) -> bytes:
    """Help that a creditor got from another one; behind its Loss."""
    return loss_key(window, payee) + helper


def breakage_key(class_id: str, year: int, month: int) -> bytes:
    """Breakage of a class; in order of the months."""
    return b"lb" + (year * 100 + month).to_bytes(4, "big") + class_id.encode()


def told_key(height: int, number: int) -> bytes:
    """Events of a block; the records of one block in order."""
    return b"lt" + height.to_bytes(8, "big") + number.to_bytes(4, "big")


def alert_key(rule: str, subject: bytes, other: bytes = b"") -> bytes:
    """Alert of a cause; by rule. `other` is empty but for CIRCULAR."""
    return b"x" + rule.encode() + b"\x00" + subject + other


def pulse_key(merchant: bytes) -> bytes:
    """Pulse of a merchant."""
    return b"y" + merchant


def office_key(office: str, account: bytes) -> bytes:
    """OfficeHeld; by office, then account."""
    return b"m" + office.encode() + b"\x00" + account


def challenge_key(challenge: str) -> bytes:
    """Challenge."""
    return b"n" + challenge.encode()


def applicant_key(challenge: str, merchant: bytes) -> bytes:
    """Applicant; by challenge, then merchant. The zero byte cannot stand in an identifier."""
    return b"q" + challenge.encode() + b"\x00" + merchant


def erratum_key(tx: bytes) -> bytes:
    """Erratum of a transaction."""
    return b"c" + tx
