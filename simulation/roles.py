"""The names of the Byzantine roles that a plan can give to a member."""

from enum import StrEnum


class Role(StrEnum):
    """How a Byzantine member behaves. It holds a valid key and signs anything for itself."""

    EQUIVOCATE = "equivocate"  # two proposals and two votes, one for each half
    USURP = "usurp"  # proposes out of turn
    VOTE_TWICE = "vote-twice"  # sends a second, different vote for every vote
    MUTE = "mute"  # receives, says nothing
    STALE_VIEW = "stale-view"  # old or lying certificates in VIEWCHANGE and NEWVIEW, far views
    MUTATE = "mutate"  # perturbs what an honest replica would send
    TWIN = "twin"  # two honest instances of one key, each talking to a changing part of the network
