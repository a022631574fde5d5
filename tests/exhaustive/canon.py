"""A digest that two cores share exactly if they behave alike from here on.

Left out of the digest, with the reason:
- clocks, timers, STATUS bookkeeping: a timeout may come at any moment of the search, STATUS only repeats;
- slots of views that were left, votes of others in a slot, records for a rotation, evidence, what was seen of whose
  key: no rule reads them again while certificates, not single votes, are delivered and nobody restarts;
- the summaries of an accepted NEWVIEW, the signers and the phase of the highest certificate: only base and rank count;
- blocks and verdicts: bodies are always there and good, a missing block comes in the step that asks for it;
- VIEWCHANGEs but the own one of a core that will lead: others come with the event that opens the view;
- the tip of an inactive core, its old base, what a core that does not lead would build.
"""

import hashlib
from collections import deque
from typing import Any, Final

import msgspec

from consensus.messages import NewView, ViewChange
from consensus.replica import Replica
from consensus.slots import Slot, SlotTable
from consensus.state import State
from primitives.block import Block, header_digest
from primitives.certificate import Certificate
from simulation.footprint import attributes_of

IGNORED: Final = {
    "config", "clock", "timer", "inclusion", "first_seen", "activated", "progressed", "caught_up_at", "last_status",
    "status_due", "answers", "asked_build", "proposed", "promises", "new_view", "watch", "starved", "tree", "verdicts",
    "wants", "view_changes", "probation",
}  # fmt: skip

_digests: dict[int, tuple[Block, bytes]] = {}  # by identity; the block is kept so that the number stays its own


def digest_of(block: Block) -> bytes:
    """header_digest, remembered."""
    known = _digests.get(id(block))
    if known is None:
        known = _digests[id(block)] = (block, header_digest(block.header))
    return known[1]


def certificate_key(certificate: Certificate | None) -> tuple[Any, ...] | None:
    """Phase, view, height, block: all that any rule reads."""
    if certificate is None:
        return None
    return int(certificate.phase), certificate.view, certificate.height, certificate.digest


def _plain(value: Any) -> Any:
    match value:
        case Block():
            return digest_of(value)
        case Certificate():
            return certificate_key(value)
        case ViewChange():
            return value.summary.view, certificate_key(value.certificate)
        case NewView():
            return value.view, certificate_key(value.certificate)
        case msgspec.Struct():
            return repr(value)
        case dict():
            return sorted((_plain(key), _plain(item)) for key, item in value.items())
        case set() | frozenset():
            return sorted(_plain(item) for item in value)
        case list() | tuple() | deque():
            return [_plain(item) for item in value]
        case bytes() | int() | str() | None:
            return value
    return [(name, _plain(getattr(value, name))) for name in attributes_of(value) if name.lstrip("_") not in IGNORED]


def _slot(slot: Slot, me: int) -> Any:
    own = [vote.digest if (vote := votes.get(me)) else None for votes in (slot.prepares, slot.commits)]  # type: ignore[call-overload]
    return slot.view, slot.height, slot.digest, own, certificate_key(slot.prepared), slot.commit_certified


def state_digest(replica: Replica, extra: Any) -> bytes:
    """16 bytes that stand for the behaviour of this core, and of `extra`."""
    state: State = replica._state
    parts: list[Any] = []
    for name in attributes_of(state):
        value = getattr(state, name)
        if name in IGNORED:
            continue
        if isinstance(value, SlotTable):
            slots = [s for s in value._slots.values() if s.view >= state.view]
            parts.append(sorted((_slot(slot, state.me) for slot in slots), key=repr))
        elif name == "high":
            parts.append(None if value is None else (value.view, value.height, value.digest))
        elif (
            (name == "tip" and not state.active)
            or (name == "base" and not state.active)
            or (name in ("building", "ask_build") and not state.leads)
        ):
            continue
        else:
            parts.append((name, _plain(value)))
    mine = state.view_changes.get(state.me)
    if state.leads and not state.active and mine is not None:
        parts.append(_plain(mine))  # it goes into the NEWVIEW
    return hashlib.blake2b(msgspec.msgpack.encode([parts, extra]), digest_size=16).digest()
