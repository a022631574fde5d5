"""Members that change views badly: VIEWCHANGE and NEWVIEW that are false, doubled, hidden or without end."""

from typing import Final

from msgspec.structs import replace

from consensus.events import ALL
from consensus.messages import Message, NewView, ViewChange
from consensus.view_change import base_of
from primitives.certificate import Certificate
from simulation.roles import Role
from simulation.strategy import Expect, Seat, Strategy
from simulation.villain import FAR_VIEW, Letter, Outbox, Villain


def _mine(villain: Villain, message: Message) -> bool:
    return isinstance(message, ViewChange) and message.summary.signer == villain.me


def _leads(villain: Villain, message: Message) -> bool:
    return isinstance(message, NewView) and villain.context.leader(message.view) == villain.me


def _highest(villain: Villain, below: int) -> Certificate | None:
    known = [certificate for certificate in villain.certificates if certificate.view < below]
    return max(known, key=lambda c: (c.view, c.height), default=None)


def _lowest(villain: Villain, below: int) -> Certificate | None:
    known = [certificate for certificate in villain.certificates if certificate.view < below]
    return min(known, key=lambda c: (c.view, c.height), default=None)


def _view_spam(villain: Villain) -> Outbox:
    """VIEWCHANGE for the next 20 views, in every order."""
    views = list(range(villain.view + 1, villain.view + 21))
    villain.draw.shuffle(views)
    return [Letter(ALL, villain.view_change(view, _highest(villain, view))) for view in views]


def _far_views(villain: Villain) -> Outbox:
    """Views of 10^9 that nobody joins (pitfall 25)."""
    view = FAR_VIEW + villain.draw.randrange(1000)
    return [
        Letter(ALL, villain.view_change(view, None)),
        Letter(ALL, villain.view_change(view + 1, _highest(villain, view))),
    ]


def _two_view_changes(villain: Villain, receiver: int, message: Message) -> Outbox:
    """With the lock to one half, without it to the other."""
    if not isinstance(message, ViewChange) or not _mine(villain, message):
        return [Letter(receiver, message)]
    other = villain.view_change(message.summary.view, _lowest(villain, message.summary.view))
    half = villain.half()
    return [Letter(node, message if node in half else other) for node in villain.targets(receiver)]


def _old_lock(villain: Villain, receiver: int, message: Message) -> Outbox:
    """VIEWCHANGE with the oldest certificate instead of the highest (S6)."""
    if not isinstance(message, ViewChange) or not _mine(villain, message):
        return [Letter(receiver, message)]
    old = _lowest(villain, message.summary.view)
    return [Letter(receiver, villain.view_change(message.summary.view, old, message.summary))]


def _lying_summary(villain: Villain, receiver: int, message: Message) -> Outbox:
    """Claims a higher certificate than it attaches (pitfall 20)."""
    if not isinstance(message, ViewChange) or not _mine(villain, message):
        return [Letter(receiver, message)]
    summary = message.summary
    lie = replace(summary, high_view=summary.view - 1, high_height=summary.tip_height + 5, high_digest=villain.noise())
    return [Letter(receiver, ViewChange(villain.signed(lie), message.certificate))]


def _ranked(villain: Villain, view: int) -> list[ViewChange]:
    """The VIEWCHANGEs for a view, an own one without a lock among them, the lowest certificate first."""
    held = dict(villain.view_changes.get(view, {}))
    held[villain.me] = villain.view_change(view, None)
    return sorted(held.values(), key=lambda m: base_of(m.certificate, villain.context))


def _omission(villain: Villain, receiver: int, message: Message) -> Outbox:
    """NEWVIEW with the lowest base that q summaries allow, and one that hides the highest certificate (pitfall 18)."""
    if not isinstance(message, NewView) or not _leads(villain, message):
        return [Letter(receiver, message)]
    chosen = _ranked(villain, message.view)[: villain.context.members.quorum]
    hiding = villain.new_view(message.view, chosen, chosen[0].certificate)
    lowest = villain.new_view(message.view, chosen, chosen[-1].certificate)
    return [Letter(receiver, hiding), Letter(receiver, lowest)]


def _duplicate_summaries(villain: Villain, receiver: int, message: Message) -> Outbox:
    """One summary q times (pitfall 17)."""
    if not isinstance(message, NewView) or not _leads(villain, message):
        return [Letter(receiver, message)]
    lowest = _ranked(villain, message.view)[0]
    quorum = villain.context.members.quorum
    return [Letter(receiver, villain.new_view(message.view, [lowest] * quorum, lowest.certificate))]


def _two_new_views(villain: Villain, receiver: int, message: Message) -> Outbox:
    """The honest NEWVIEW to one half, another legal one with a lower base to the other (pitfall 29)."""
    if not isinstance(message, NewView) or not _leads(villain, message):
        return [Letter(receiver, message)]
    chosen = _ranked(villain, message.view)[: villain.context.members.quorum]
    other = villain.new_view(message.view, chosen, chosen[-1].certificate)
    half = villain.half()
    return [Letter(node, message if node in half else other) for node in villain.targets(receiver)]


def _no_new_view(villain: Villain, receiver: int, message: Message) -> Outbox:
    """Collects VIEWCHANGEs and stays silent (L3)."""
    return [] if _leads(villain, message) else [Letter(receiver, message)]


def _new_view_to_one(villain: Villain, receiver: int, message: Message) -> Outbox:
    """One member alone is told that the view is open (L4)."""
    if not _leads(villain, message):
        return [Letter(receiver, message)]
    return [Letter(node, message) for node in villain.targets(receiver) if node == villain.victim()]


def _early_new_view(villain: Villain, message: Message) -> Outbox:
    """NEWVIEW at the first VIEWCHANGE, with too few summaries, and for the present view of another leader."""
    if not isinstance(message, ViewChange) or message.summary.view >= FAR_VIEW:
        return []
    view = message.summary.view
    few = villain.new_view(view, [message], message.certificate)
    padded = villain.new_view(
        view, [message, *(villain.view_change(view, None),) * (villain.context.members.quorum - 1)], message.certificate
    )
    return [Letter(ALL, few), Letter(ALL, padded)]


_UNMOVED: Final = frozenset({Expect.UNMOVED})
_REFUSED: Final = frozenset({Expect.REFUSED})
_PROVEN: Final = frozenset({Expect.EVIDENCE})

STRATEGIES: Final[dict[Role, Strategy]] = {
    Role.VIEW_SPAM: Strategy(
        "L2: VIEWCHANGE without end; f members move nobody", _UNMOVED, Seat.LAST, forges=_view_spam
    ),
    Role.FAR_VIEWS: Strategy("L2: views of 10^9 (pitfall 25)", _UNMOVED, Seat.LAST, forges=_far_views),
    Role.TWO_VIEW_CHANGES: Strategy("S6: two VIEWCHANGEs for one view", _PROVEN, Seat.NEXT, perturb=_two_view_changes),
    Role.OLD_LOCK: Strategy("S6: the oldest certificate instead of the highest", seat=Seat.NEXT, perturb=_old_lock),
    Role.LYING_SUMMARY: Strategy(
        "S7: claims more than it attaches (pitfall 20)", _REFUSED, Seat.NEXT, perturb=_lying_summary
    ),
    Role.OMISSION: Strategy("S7: NEWVIEW that leaves the highest lock out", seat=Seat.NEXT, perturb=_omission),
    Role.DUPLICATE_SUMMARIES: Strategy(
        "S7: NEWVIEW of one summary q times (pitfall 17)", _REFUSED, Seat.NEXT, perturb=_duplicate_summaries
    ),
    Role.TWO_NEW_VIEWS: Strategy(
        "S7: two NEWVIEWs for one view (pitfall 29)", _PROVEN, Seat.NEXT, perturb=_two_new_views
    ),
    Role.NO_NEW_VIEW: Strategy("L3: never opens its view", seat=Seat.NEXT, perturb=_no_new_view),
    Role.NEW_VIEW_TO_ONE: Strategy("L4: NEWVIEW to one member only", seat=Seat.NEXT, perturb=_new_view_to_one),
    Role.EARLY_NEW_VIEW: Strategy(
        "S7: NEWVIEW with too few summaries, and for views of others (pitfall 19)", _REFUSED, Seat.NEXT,
        answers=_early_new_view,
    ),
}  # fmt: skip
