"""Questions about challenges, in the form of queries.py."""

from typing import Any, Final

from points.asset_records import Anchored
from points.challenge_records import Applicant, Challenge
from points.challenges import NAMESPACE, applicants, enough, stage_of, verdict
from points.governance_records import Committee
from points.keys import COMMITTEE_KEY, anchor_key, challenge_key
from points.queries import text
from points.view import View

Plain = Any
ANCHORS_LOOKED_AT: Final = 1_000  # anybody may anchor in the namespace of a challenge


def challenge(view: View, time_s: int, name: str) -> Plain:
    """A challenge with its applicants, their scores, and the milestones that were anchored; None without it."""
    found: Challenge | None = view.get(challenge_key(name))
    if found is None or not found.lives(time_s):
        return None
    committee: Committee = view.get(COMMITTEE_KEY) or Committee(())
    rows = [_applicant(committee, who, applicant) for who, applicant in applicants(view, name, time_s)]
    return {**_summary(name, found, time_s), "items": rows, "reached": _milestones(view, name, found)}


def challenges(view: View, time_s: int) -> Plain:
    """All of them in order of their ids, without applicants; there are at most 64."""
    rows = ((key[1:].decode(), found) for key, found in view.range(b"n", b"o"))
    return [_summary(name, found, time_s) for name, found in rows if found.lives(time_s)]


def _summary(name: str, found: Challenge, time_s: int) -> dict[str, Plain]:
    return {
        "challenge": name, "stage": stage_of(found, time_s), "terms_hash": found.terms.hex(), "opened": found.opened,
        "apply_until": found.apply_until, "score_until": found.score_until, "ends": found.ends,
        "applicants": found.applicants, "milestones": found.milestones,
        "awarded": text(found.awarded) if found.awarded else None, "awarded_at": found.awarded_at or None,
    }  # fmt: skip


def _applicant(committee: Committee, who: bytes, of: Applicant) -> Plain:
    """`points` is the sum of points times weights, `weight` that of those who scored: their quotient is compared."""
    points, weight = verdict(committee, of)
    scores = [{"member": text(s.member), "points": s.points, "reasons_hash": s.reasons.hex()} for s in of.scores]
    return {
        "merchant": text(who), "plan_hash": of.plan.hex(), "applied": of.applied, "points": points, "weight": weight,
        "enough": enough(committee, weight), "scores": scores,
    }  # fmt: skip


def _milestones(view: View, name: str, found: Challenge) -> list[Plain]:
    """What the awarded merchant has anchored since, the oldest first."""
    start = anchor_key(NAMESPACE + name, b"")
    rows: list[tuple[int, bytes, Anchored]] = [
        (anchored.time, key[len(start) :], anchored)
        for (key, anchored), _ in zip(view.range(start, start[:-1] + b"\x01"), range(ANCHORS_LOOKED_AT), strict=False)
        if found.awarded and anchored.by == found.awarded and anchored.time >= found.awarded_at
    ]
    return [
        {"hash": evidence.hex(), "time": time, "tx": anchored.tx.hex()}
        for time, evidence, anchored in sorted(rows, key=lambda row: row[:2])
    ]
