"""What the committee decides about a class of points. Checked when proposed, and again when carried out.

set_class: BAD_PROPOSAL (nothing given), CLASS_UNKNOWN, BAD_PROPOSAL (out of the bounds of class_create). A class
that is retired has rules too: nothing of it ever leaves the state.
"""

from typing import Final

from msgspec.structs import replace

from points.keys import class_key
from points.merchants import class_fault
from points.state import NEVER, Class
from points.turn import Fields, Turn
from primitives.codes import Code
from primitives.kinds_governance import SetClass
from primitives.receipt import Event

# What bounds issuing and exchange from now on. All else of a class never changes: who holds its points got them for
# their value, their life and the places where they pay, and a vote must not take that away (D5).
RULES: Final = ("earn_cap_bps", "max_per_order", "exchangeable", "exchange_in_quota")
_NONE_IF_0: Final = ("max_per_order", "exchange_in_quota")


def issuer_of(turn: Turn, class_id: str) -> tuple[bytes, ...]:
    """Whom a decision about a class is about; () for one that does not exist."""
    of: Class | None = turn.get(class_key(class_id))
    return () if of is None else (of.issuer,)


def set_class(turn: Turn, payload: SetClass) -> Code:
    """Other bounds of a class, for what is issued and exchanged from this moment on."""
    given = {name: value for name in RULES if (value := getattr(payload, name)) is not None}
    if not given:
        return turn.refuse(Code.BAD_PROPOSAL, "none of " + ", ".join(RULES))
    of: Class | None = turn.get(class_key(payload.class_id))
    if of is None:
        return Code.CLASS_UNKNOWN
    values = {name: NEVER if name in _NONE_IF_0 and not value else value for name, value in given.items()}
    following = replace(of, **values)
    fault = class_fault(following)
    if fault:
        return turn.refuse(Code.BAD_PROPOSAL, fault)
    turn.put_class(payload.class_id, following)
    fields: Fields = (("class", payload.class_id), *((name, int(value)) for name, value in given.items()))
    turn.events.append(Event("ClassRulesChanged", fields, (("issuer", of.issuer),)))
    return Code.OK
