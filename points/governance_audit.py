"""What must hold of proposals, votes and applications in any state; every violation is a sentence with both values."""

from collections import defaultdict
from collections.abc import Iterator

from points.governance import PROPOSALS_MAX, passing
from points.governance_records import Committee, Papers, Proposal, ProposalState, Vote
from points.keys import COMMITTEE_KEY, application_timer_key, papers_key, proposal_timer_key, vote_key
from points.state import MerchantStatus
from points.view import View


def governance_faults(view: View) -> Iterator[str]:
    """One voice per member, sums that are those of the votes, one timer for everything that waits."""
    committee: Committee = view.get(COMMITTEE_KEY) or Committee(())
    weights = dict(committee.members)
    timers = {key for key, _ in view.range(b"k", b"l")}
    votes = dict(view.range(b"i", b"j"))
    per_member: dict[bytes, int] = defaultdict(int)
    for key, record in view.range(b"h", b"i"):
        name, proposal = key[1:].decode(), record
        per_member[proposal.proposer] += 1
        timers.discard(timer := proposal_timer_key(proposal.due, name))
        if view.get(timer) is None:
            yield f"proposal {name} is due at {proposal.due} and has no timer"
        start = vote_key(name, b"")
        cast = {where: votes.pop(where) for where in list(votes) if where.startswith(start)}
        yield from _sums(name, proposal, cast, weights)
        if proposal.state is ProposalState.OPEN and bool(proposal.ready_at) != passing(committee, proposal):
            yield f"proposal {name}: ready at {proposal.ready_at}, thresholds met: {passing(committee, proposal)}"
    for who, count in per_member.items():
        if count > PROPOSALS_MAX:
            yield f"{who.hex()} has {count} proposals, limit {PROPOSALS_MAX}"
    for key, merchant in view.range(b"M", b"N"):
        papers: Papers = view.get(papers_key(key[1:])) or Papers()
        applied = merchant.status is MerchantStatus.APPLIED
        timer = application_timer_key(papers.due, key[1:])
        if applied != bool(papers.due) or (applied and view.get(timer) is None):
            yield f"merchant {key[1:].hex()} is {merchant.status.name}, its application lapses at {papers.due}"
        timers.discard(timer)
    for left in (*timers, *votes):
        yield f"nothing belongs to {left.hex()}"


def _sums(name: str, proposal: Proposal, cast: dict[bytes, Vote], weights: dict[bytes, int]) -> Iterator[str]:
    sums = {"YES": 0, "NO": 0, "RECUSE": 0}
    for where, vote in cast.items():
        sums[vote.choice] += vote.weight
        if proposal.state is ProposalState.OPEN and vote.weight != weights.get(where[-20:]):
            yield f"proposal {name}: a vote weighs {vote.weight}, its member {weights.get(where[-20:])}"
    kept = (proposal.yes, proposal.no, proposal.recused)
    if kept != tuple(sums.values()):
        yield f"proposal {name} counts {kept}, its votes {tuple(sums.values())}"
