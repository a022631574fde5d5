"""The names of all Byzantine roles. What each attacks and what must come of it stands beside its strategy.

A role is the behaviour of one Byzantine member: it holds a valid key and signs anything, but only for itself.
"""

from enum import StrEnum


class Role(StrEnum):
    """See `simulation.strategies.catalogue.STRATEGIES`, which has one entry for each."""

    # Of everything a little.
    EQUIVOCATE = "equivocate"
    USURP = "usurp"
    VOTE_TWICE = "vote-twice"
    MUTE = "mute"
    STALE_VIEW = "stale-view"
    MUTATE = "mutate"
    TWIN = "twin"
    # Leaders that propose a bad block.
    WRONG_STATE = "wrong-state"
    WRONG_RECEIPTS = "wrong-receipts"
    WRONG_BATCHES = "wrong-batches"
    WRONG_TX_ROOT = "wrong-tx-root"
    FUTURE_TIME = "future-time"
    PAST_TIME = "past-time"
    PARENT_TIME = "parent-time"
    ABSENT_BODY = "absent-body"
    TWICE = "twice"
    OVERSIZE = "oversize"
    GAP = "gap"
    CHAIN_BREAK = "chain-break"
    FAR_HEIGHT = "far-height"
    STALE_CERTIFICATE = "stale-certificate"
    DUPLICATE_SIGNER = "duplicate-signer"
    FORGED_CLOSE = "forged-close"
    FOREIGN_SET = "foreign-set"
    EARLY_EXECUTION = "early-execution"
    FALSE_PROPOSER = "false-proposer"
    FALSE_RECORD = "false-record"
    # Leaders that propose good blocks badly.
    SPLIT = "split"
    COLLUDE = "collude"
    PREMATURE = "premature"
    NO_PROPOSALS = "no-proposals"
    SELECTIVE = "selective"
    STARVE_ONE = "starve-one"
    CENSOR = "censor"
    THROTTLE = "throttle"
    SLEEPER = "sleeper"
    FLOOD = "flood"
    # Voters.
    WITHHOLD_COMMIT = "withhold-commit"
    COMMIT_TO_ONE = "commit-to-one"
    PREPARE_TO_ONE = "prepare-to-one"
    NO_LOCK = "no-lock"
    OLD_VOTES = "old-votes"
    FOREIGN_EPOCH = "foreign-epoch"
    FAR_VOTES = "far-votes"
    FORGED_CERTIFICATES = "forged-certificates"
    IMPERSONATE = "impersonate"
    LATE_VOTES = "late-votes"
    # Changers of views.
    VIEW_SPAM = "view-spam"
    FAR_VIEWS = "far-views"
    TWO_VIEW_CHANGES = "two-view-changes"
    OLD_LOCK = "old-lock"
    LYING_SUMMARY = "lying-summary"
    OMISSION = "omission"
    DUPLICATE_SUMMARIES = "duplicate-summaries"
    TWO_NEW_VIEWS = "two-new-views"
    NO_NEW_VIEW = "no-new-view"
    NEW_VIEW_TO_ONE = "new-view-to-one"
    EARLY_NEW_VIEW = "early-new-view"
    # Those that serve what others fetch.
    STATUS_LIAR = "status-liar"
    HEIGHT_LIAR = "height-liar"
    FORGED_REPLIES = "forged-replies"
    WITHHOLD_BODIES = "withhold-bodies"
    SLOW_DRIP = "slow-drip"
    GARBAGE_BATCHES = "garbage-batches"
    REQUEST_FLOOD = "request-flood"
    # Those that lose their memory.
    AMNESIAC = "amnesiac"
