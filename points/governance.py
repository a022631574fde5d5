"""The committee proposes, votes, and what it decides is carried out when a timelock has passed (D10).

A vote weighs what its member weighs now. Those who recuse themselves leave the count; the others' weight is what may
be cast. The thresholds are met while at least 60 % of it was cast and more than 2/3 of the cast weight says yes, and
less than half of the whole weight stands aside. From then on the timelock runs, 24 h in which the others may still say
no, also when the 7 days of voting are over: no surprise in their last second goes unanswered. A vote that breaks the
thresholds stops it, and after the 7 days rejects the proposal. begin_block carries out what is due, of changes of the
committee one per second. A payload that its rule refuses at that moment changes nothing and may be tried again by
gov_execute. Where a third of what may be cast says no, the proposal is rejected at once.

gov_propose: ACCOUNT_FROZEN, NOT_MEMBER, BAD_PROPOSAL (id taken), TOO_MANY_PROPOSALS, then of the payload what
governance_actions.py lists, RECUSED (the proposer has an interest).
gov_vote: ACCOUNT_FROZEN, NOT_MEMBER, PROPOSAL_UNKNOWN, PROPOSAL_CLOSED, ALREADY_VOTED, RECUSED.
gov_execute: ACCOUNT_FROZEN, NOT_MEMBER, PROPOSAL_UNKNOWN, PROPOSAL_CLOSED, THRESHOLD, TIMELOCK, then of the payload.
"""

from typing import Final

from msgspec.structs import replace

from points.authority import shares_key
from points.governance_actions import check_payload, execute_payload, subjects_of
from points.governance_records import Committee, Proposal, ProposalState, Timer, Vote
from points.keys import COMMITTEE_KEY, account_key, proposal_key, proposal_timer_key, vote_key
from points.state import Account
from points.turn import Fields, Turn
from primitives.codes import Code
from primitives.kinds_governance import GovExecute, GovPropose, GovVote
from primitives.kinds_offices import SetMember
from primitives.receipt import Event

VOTING_SECONDS: Final = 7 * 86_400
TIMELOCK_SECONDS: Final = 86_400
RETRY_SECONDS: Final = 7 * 86_400  # for gov_execute after a payload was refused
MEMORY_SECONDS: Final = 7 * 86_400  # a decided proposal stays to be read
PROPOSALS_MAX: Final = 16  # of one member in the state, remembered ones included
PARTICIPATION_PERCENT: Final = 60


def weight_of(turn: Turn, member: bytes) -> int:
    """Of a vote; 0 for an account that is no member."""
    found: Committee | None = turn.get(COMMITTEE_KEY)
    return dict(found.members).get(member, 0) if found is not None else 0


def eligible(committee: Committee, proposal: Proposal) -> int:
    """The weight that may be cast: all but the recused."""
    return sum(weight for _, weight in committee.members) - proposal.recused


def passing(committee: Committee, proposal: Proposal) -> bool:
    """Whether the thresholds are met by what has been cast."""
    may_vote, cast = eligible(committee, proposal), proposal.yes + proposal.no
    enough = may_vote > proposal.recused and 100 * cast >= PARTICIPATION_PERCENT * may_vote
    return enough and 3 * proposal.yes > 2 * cast


def hopeless(committee: Committee, proposal: Proposal) -> bool:
    """Whether no vote still to come can make the thresholds met."""
    may_vote = eligible(committee, proposal)
    return 3 * proposal.no >= may_vote or may_vote <= proposal.recused


def apply_propose(turn: Turn, body: GovPropose) -> Code:
    """A member puts something to the vote. It has not voted by that."""
    if not weight_of(turn, turn.sender):
        return turn.refuse(Code.NOT_MEMBER, "the account has no weight in the committee")
    if turn.get(proposal_key(body.proposal)) is not None:
        return turn.refuse(Code.BAD_PROPOSAL, f"the id {body.proposal!r} is taken")
    own = sum(proposal.proposer == turn.sender for _, proposal in turn.draft.range(b"h", b"i"))
    if own >= PROPOSALS_MAX:
        return turn.refuse(Code.TOO_MANY_PROPOSALS, f"{own} proposals of this member, limit {PROPOSALS_MAX}")
    code = check_payload(turn, body.payload)
    if code:
        return code
    if _has_interest(turn, subjects_of(turn, body.payload)):
        return turn.refuse(Code.RECUSED, "the matter is the proposer's own")
    closes = turn.time + VOTING_SECONDS
    proposal = Proposal(turn.sender, body.payload, body.reasons_hash, turn.time, closes, closes)
    turn.put(proposal_key(body.proposal), proposal)
    turn.put(proposal_timer_key(closes, body.proposal), Timer())
    fields: Fields = (("proposal", body.proposal), ("action", _action(proposal)), ("closes", closes))
    turn.events.append(Event("ProposalOpened", fields, (("by", turn.sender),), (("reasons", body.reasons_hash),)))
    return Code.OK


def apply_vote(turn: Turn, body: GovVote) -> Code:
    """One vote per member, for good; who has an interest in the matter can only stand aside."""
    weight = weight_of(turn, turn.sender)
    if not weight:
        return turn.refuse(Code.NOT_MEMBER, "the account has no weight in the committee")
    proposal: Proposal | None = turn.get(proposal_key(body.proposal))
    if proposal is None:
        return Code.PROPOSAL_UNKNOWN
    if proposal.state is not ProposalState.OPEN or turn.time >= max(proposal.closes, proposal.ready_at):
        return turn.refuse(Code.PROPOSAL_CLOSED, proposal.state.name)
    where = vote_key(body.proposal, turn.sender)
    if turn.get(where) is not None:
        return Code.ALREADY_VOTED
    if body.choice != "RECUSE" and _has_interest(turn, subjects_of(turn, proposal.payload)):
        return turn.refuse(Code.RECUSED, "the matter is the member's own")
    turn.put(where, Vote(body.choice, weight, body.reasons_hash))
    fields: Fields = (("proposal", body.proposal), ("choice", body.choice), ("weight", weight))
    reasons = () if body.reasons_hash is None else (("reasons", body.reasons_hash),)
    turn.events.append(Event("ProposalVoted", fields, (("member", turn.sender),), reasons))
    match body.choice:
        case "YES":
            proposal = replace(proposal, yes=proposal.yes + weight)
        case "NO":
            proposal = replace(proposal, no=proposal.no + weight)
        case "RECUSE":
            proposal = replace(proposal, recused=proposal.recused + weight)
    _weigh(turn, body.proposal, proposal)
    return Code.OK


def _weigh(turn: Turn, name: str, proposal: Proposal) -> None:
    """What a further vote does: the timelock starts, goes on or stops, or the proposal has lost."""
    committee: Committee = turn.get(COMMITTEE_KEY)
    if hopeless(committee, proposal):
        _decide(turn, name, proposal, ProposalState.REJECTED)
    elif passing(committee, proposal):
        ready_at = proposal.ready_at or turn.time + TIMELOCK_SECONDS
        if not proposal.ready_at:
            turn.events.append(Event("ProposalPassed", (("proposal", name), ("ready_at", ready_at))))
        _put(turn, name, replace(proposal, ready_at=ready_at), ready_at)
    elif turn.time >= proposal.closes:
        _decide(turn, name, proposal, ProposalState.REJECTED)
    else:
        _put(turn, name, replace(proposal, ready_at=0), proposal.closes)


def apply_execute(turn: Turn, body: GovExecute) -> Code:
    """A member tries again what was refused when its timelock ended."""
    if not weight_of(turn, turn.sender):
        return turn.refuse(Code.NOT_MEMBER, "the account has no weight in the committee")
    proposal: Proposal | None = turn.get(proposal_key(body.proposal))
    if proposal is None:
        return Code.PROPOSAL_UNKNOWN
    if proposal.state is ProposalState.OPEN:
        if not proposal.ready_at:
            return turn.refuse(Code.THRESHOLD, f"yes {proposal.yes}, no {proposal.no}, recused {proposal.recused}")
        return turn.refuse(Code.TIMELOCK, f"until {proposal.ready_at}, now {turn.time}")
    if proposal.state is not ProposalState.FAILED:
        return turn.refuse(Code.PROPOSAL_CLOSED, proposal.state.name)
    code = execute_payload(turn, proposal.payload, proposal.created)
    if not code:
        _carried_out(turn, body.proposal, proposal)
    return code


def proposal_due(turn: Turn, name: str, changed: bool) -> bool:
    """What the end of a proposal's present time means: execution, its end, or that it is forgotten (D10).

    `changed`: the committee has changed in this second. Another change waits for the next one, since each weighs all
    that is open: a block has time for one. Returns: whether it has changed by now.
    """
    proposal: Proposal = turn.get(proposal_key(name))
    match proposal.state:
        case ProposalState.OPEN:
            if not proposal.ready_at:
                _decide(turn, name, proposal, ProposalState.REJECTED)
            elif not isinstance(proposal.payload, SetMember):
                _execute(turn, name, proposal)
            elif changed:
                _put(turn, name, replace(proposal, ready_at=turn.time + 1), turn.time + 1)
            else:
                _execute(turn, name, proposal)
                return True
        case ProposalState.FAILED:
            _decide(turn, name, proposal, ProposalState.EXPIRED)
        case ProposalState.EXECUTED | ProposalState.REJECTED | ProposalState.EXPIRED:
            _forget(turn, name, proposal)
    return changed


def _execute(turn: Turn, name: str, proposal: Proposal) -> None:
    """Carry it out in the name of its proposer; a refusal leaves nothing but the state FAILED and its code."""
    mark, events, sender = turn.draft.mark(), list(turn.events), turn.sender
    turn.sender = proposal.proposer
    code = execute_payload(turn, proposal.payload, proposal.created)
    if not code and turn.overflow:
        code = Code.OVERFLOW
    turn.sender, turn.overflow, turn.detail = sender, False, ""
    if not code:
        _carried_out(turn, name, proposal)
        return
    turn.draft.rollback(mark)
    turn.reload()
    turn.events = events
    failed = replace(proposal, state=ProposalState.FAILED, failure=code.value)
    _put(turn, name, failed, turn.time + RETRY_SECONDS)
    turn.events.append(Event("ProposalFailed", (("proposal", name), ("code", code.name))))


def _carried_out(turn: Turn, name: str, proposal: Proposal) -> None:
    _decide(turn, name, proposal, ProposalState.EXECUTED)
    if isinstance(proposal.payload, SetMember):
        _weigh_all(turn)


def _weigh_all(turn: Turn) -> None:
    """Members have changed: on what is open every vote weighs what its member weighs now, nothing if it has left."""
    committee: Committee = turn.get(COMMITTEE_KEY)
    weights = dict(committee.members)
    votes: dict[bytes, list[tuple[bytes, Vote]]] = {}
    for where, vote in turn.draft.range(b"i", b"j"):  # once for all: a range looks at everything this block wrote
        votes.setdefault(where[1:-21], []).append((where, vote))
    for key, proposal in list(turn.draft.range(b"h", b"i")):
        if proposal.state is not ProposalState.OPEN:
            continue
        name = key[1:].decode()
        sums: dict[str, int] = {"YES": 0, "NO": 0, "RECUSE": 0}
        for where, vote in votes.get(key[1:], ()):
            weight = weights.get(where[-20:], 0)
            sums[vote.choice] += weight
            if weight != vote.weight:
                turn.put(where, replace(vote, weight=weight) if weight else None)
        yes, no, recused = sums.values()
        _weigh(turn, name, replace(proposal, yes=yes, no=no, recused=recused))


def _decide(turn: Turn, name: str, proposal: Proposal, state: ProposalState) -> None:
    _put(turn, name, replace(proposal, state=state, decided=turn.time), turn.time + MEMORY_SECONDS)
    fields: Fields = (
        ("proposal", name), ("action", _action(proposal)), ("state", state.name), ("yes", proposal.yes),
        ("no", proposal.no), ("recused", proposal.recused),
    )  # fmt: skip
    turn.events.append(Event("ProposalDecided", fields, (("by", proposal.proposer),)))


def _put(turn: Turn, name: str, proposal: Proposal, due: int) -> None:
    """Write a proposal and move its only timer."""
    turn.put(proposal_timer_key(proposal.due, name), None)
    turn.put(proposal_timer_key(due, name), Timer())
    turn.put(proposal_key(name), replace(proposal, due=due))


def _forget(turn: Turn, name: str, proposal: Proposal) -> None:
    start = vote_key(name, b"")
    for key, _ in list(turn.draft.range(start, start[:-1] + b"\x01")):
        turn.put(key, None)
    turn.put(proposal_timer_key(proposal.due, name), None)
    turn.put(proposal_key(name), None)


def _has_interest(turn: Turn, subjects: tuple[bytes, ...]) -> bool:
    """Whether the sender is somebody that the matter is about, or shares a key with him."""
    for subject in subjects:
        account: Account | None = turn.get(account_key(subject))
        if subject == turn.sender or (account is not None and shares_key(turn.account, account)):
            return True
    return False


def _action(proposal: Proposal) -> str:
    return str(proposal.payload.__struct_config__.tag)
