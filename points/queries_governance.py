"""Questions about the committee and its proposals, answered as plain JSON values."""

from typing import Any

from points.governance import PARTICIPATION_PERCENT, eligible, passing
from points.governance_records import Committee, Proposal, ProposalState
from points.keys import COMMITTEE_KEY, proposal_key, vote_key
from points.queries import text
from points.view import View
from primitives.codes import Code
from primitives.json_form import to_plain
from primitives.kinds_governance import GovPropose

Plain = Any


def committee(view: View, time_s: int) -> Plain:
    """Who votes and with what weight; without members there is no governance in this network."""
    found: Committee | None = view.get(COMMITTEE_KEY)
    members = found.members if found is not None else ()
    return {
        "members": [{"account": text(who), "weight": weight} for who, weight in members],
        "weight": sum(weight for _, weight in members),
        "participation_percent": PARTICIPATION_PERCENT,
    }


def proposal(view: View, time_s: int, name: str) -> Plain:
    """A proposal with its votes and what is still missing; None once it has left the state."""
    found: Proposal | None = view.get(proposal_key(name))
    of: Committee | None = view.get(COMMITTEE_KEY)
    if found is None or of is None:
        return None
    start = vote_key(name, b"")
    votes = [
        {
            "member": text(key[len(start) :]), "choice": vote.choice, "weight": vote.weight,
            "reasons_hash": None if vote.reasons_hash is None else vote.reasons_hash.hex(),
        }
        for key, vote in view.range(start, start[:-1] + b"\x01")
    ]  # fmt: skip
    return {**_summary(of, name, found), "votes": votes}


def proposals(view: View, time_s: int) -> Plain:
    """All proposals in order of their ids, without their votes."""
    of: Committee | None = view.get(COMMITTEE_KEY)
    if of is None:
        return []
    return [_summary(of, key[1:].decode(), found) for key, found in view.range(b"h", b"i")]


def _summary(of: Committee, name: str, found: Proposal) -> dict[str, Plain]:
    body = to_plain(GovPropose(name, found.payload, found.reasons_hash))
    is_open = found.state is ProposalState.OPEN
    return {
        **body, "proposer": text(found.proposer), "state": found.state.name, "created": found.created,
        "closes": found.closes, "passing": passing(of, found), "ready_at": found.ready_at if is_open else 0,
        "decided": found.decided or None, "forgotten_at": None if is_open else found.due,
        "yes": found.yes, "no": found.no, "recused": found.recused, "eligible": eligible(of, found),
        "failure": Code(found.failure).name if found.failure else None,
    }  # fmt: skip


def offices(view: View, time_s: int) -> Plain:
    """Who holds which office, by office; the committee is asked for by itself."""
    rows = ([*key[1:].split(b"\x00", 1), held] for key, held in view.range(b"m", b"n"))
    return [{"office": name.decode(), "account": text(who), "since": held.since} for name, who, held in rows]
