"""The public queries by name: what scenario files ask for, what the HTTP edge answers. One shape for both.

An answer is a plain JSON value; None where there is no such account, order, hold, window or class.
"""

from typing import Any

from points import (
    queries,
    queries_assets,
    queries_campaigns,
    queries_challenges,
    queries_clearing,
    queries_errata,
    queries_risk,
    queries_sandboxes,
)
from points.queries_governance import committee, offices, proposal, proposals
from points.queries_identity import recovery
from points.roster import roster
from points.view import View
from primitives.address import decode_address
from primitives.codec import Malformed
from primitives.keys import Address

Plain = Any


def answer_query(view: View, now: int, name: str, of: str | None) -> Plain:
    """The answer as of block time `now` (seconds). Raises: Malformed for an `of` that names nothing."""
    match name:
        case "account":
            return queries.account(view, now, _address(of))
        case "lots":
            return queries.lots(view, now, _address(of))
        case "exposure":
            return queries.exposure(view, now, _address(of))
        case "obligations":
            return queries.obligations(view, now, None if of is None else _number(of))
        case "window":
            return queries.window(view, now, None if of is None else _number(of))
        case "fund":
            return queries_clearing.fund(view, now)
        case "losses":
            return queries_clearing.losses(view, now, _number(str(of)))
        case "breakage":
            rows = queries_clearing.breakage(view, now, _address(of))
            return None if rows is None else {"items": rows}
        case "order":
            merchant, _, order_id = str(of).partition("/")
            return queries.order(view, now, _address(merchant), order_id)
        case "hold":
            return queries.hold(view, now, _hex(of))
        case "class":
            return queries.class_(view, now, str(of))
        case "supply":
            return queries.supply(view, now, of)
        case "recovery":
            return recovery(view, now, _address(of))
        case "asset":
            return queries_assets.asset(view, now, str(of))
        case "anchor":
            namespace, _, evidence = str(of).rpartition("/")
            return queries_assets.anchor(view, now, namespace, _hex(evidence))
        case "campaign":
            return queries_campaigns.campaign(view, now, str(of))
        case "grant":
            account, _, campaign_id = str(of).partition("/")
            return queries_campaigns.grant(view, now, campaign_id, _address(account))
        case "merchant":
            return queries.merchant(view, now, _address(of))
        case _:
            return _answer_office(view, now, name, of)


def _answer_office(view: View, now: int, name: str, of: str | None) -> Plain:
    """Committee, offices, regulator and validators."""
    match name:
        case "erratum":
            return queries_errata.erratum(view, now, _hex(of))
        case "challenge":
            return queries_challenges.challenge(view, now, str(of))
        case "challenges":
            return {"items": queries_challenges.challenges(view, now)}
        case "offices":
            return {"items": offices(view, now)}
        case "alert":
            return _alert(view, now, str(of))
        case "alerts":
            return queries_risk.alerts(view, now, 1000)
        case "report":
            return queries_risk.report(view, now)
        case "sandbox":
            return queries_sandboxes.sandbox(view, now, str(of))
        case "sandboxes":
            return queries_sandboxes.sandboxes(view, now)
        case "enrolled":
            account, _, sandbox_id = str(of).partition("/")
            return queries_sandboxes.enrolled(view, now, sandbox_id, _address(account))
        case "pause":
            return queries_sandboxes.pause(view, now)
        case "validators":
            return roster(view)
        case "proposal":
            return proposal(view, now, str(of))
        case "proposals":
            return proposals(view, now)
        case "committee":
            return committee(view, now)
        case _:
            raise Malformed(f"no query {name!r}")


def _alert(view: View, now: int, of: str) -> Plain:
    """`of`: the rule, the subject, and for CIRCULAR the other merchant."""
    rule, *parties = of.split("/")
    return queries_risk.alert(view, now, rule, *(_address(party) for party in parties[:2] or [""]))


def _address(of: str | None) -> Address:
    return decode_address(of or "")


def _number(of: str) -> int:
    if not of.isascii() or not of.isdigit() or len(of) > 19:
        raise Malformed(f"{of[:40]!r} is not a window id")
    return int(of)


def _hex(of: str | None) -> bytes:
    try:
        return bytes.fromhex(of or "")
    except ValueError as error:
        raise Malformed(f"{str(of)[:40]!r} is not hex") from error
