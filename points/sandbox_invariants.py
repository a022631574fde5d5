"""INV-16, computed again from the whole state, and the bounds of an emergency pause."""

from collections import defaultdict
from collections.abc import Iterator

from points.keys import PAUSE_KEY, class_key, enrolled_key, merchant_key, sandbox_key
from points.pauses import RATIFIED_SECONDS, SOLE_SECONDS
from points.sandbox_limits import granted_of, outstanding_of, value_of
from points.sandbox_records import Pause, Sandbox
from points.state import UY_PER_FEN, Class
from points.view import View


def sandbox_faults(view: View, time_s: int) -> Iterator[str]:
    """What is broken at block time `time_s`."""
    enrolled: dict[str, int] = defaultdict(int)
    for key, _ in view.range(b"u", b"v"):
        enrolled[key[1 : key.index(b"\x00")].decode()] += 1
    owned: set[tuple[bytes, str]] = set()
    for key, record in view.range(b"s", b"t"):
        name, found = key[1:].decode(), record
        owned.add((found.merchant, name))
        yield from _caps(view, time_s, name, found, enrolled.pop(name, 0))
    for name, count in enrolled.items():
        yield f"INV-16: {count} accounts are enrolled in {name}, no such sandbox"
    for key, merchant in view.range(b"M", b"N"):
        for name in merchant.sandboxes:
            if (key[1:], name) not in owned:
                yield f"INV-16: merchant {key[1:].hex()} lists the sandbox {name}, which is not its own"
            owned.discard((key[1:], name))
    for _, name in owned:
        yield f"INV-16: no merchant lists the sandbox {name}: its loss reserve carries other points too"
    if any(True for _ in view.range(b"s", b"t")):
        yield from _holders(view, time_s)
    yield from _pause(view)


def _caps(view: View, time_s: int, name: str, found: Sandbox, enrolled: int) -> Iterator[str]:
    leaving = bool(found.over and found.quiet_since)  # its list may be going already
    if not enrolled <= found.accounts <= found.max_accounts or (enrolled != found.accounts and not leaving):
        yield f"INV-16: {name}: {enrolled} accounts enrolled, {found.accounts} counted, limit {found.max_accounts}"
    value, outstanding = value_of(view, found), outstanding_of(view, found)
    if not 0 <= outstanding <= value <= found.max_value * UY_PER_FEN:
        yield f"INV-16: {name}: {outstanding} uY outstanding of {value} granted, limit {found.max_value} fen"
    granted = granted_of(view, found)
    if found.over and granted != found.granted:
        yield f"INV-16: {name}: {granted} units granted, {found.granted} when it was over"
    if not found.over and time_s >= found.ends:
        yield f"INV-16: {name}: ends at {found.ends}, runs at {time_s}"
    for class_id in found.classes:
        of: Class = view.get(class_key(class_id))
        if of.sandbox != name or of.issuer != found.merchant:
            yield f"INV-16: {name}: its class {class_id} is of {of.issuer.hex()}, for the sandbox {of.sandbox!r}"
    if view.get(merchant_key(found.merchant)) is None:
        yield f"INV-16: {name}: no such merchant {found.merchant.hex()}"


def _holders(view: View, time_s: int) -> Iterator[str]:
    """Nobody holds points of a sandbox who is not on its list; expired ones wait only for their holder's next act."""
    for key, holdings in view.range(b"L", b"M"):
        for lot in holdings.lots:
            name = view.get(class_key(lot.class_id)).sandbox
            found: Sandbox | None = view.get(sandbox_key(name))
            alive = lot.bucket > time_s or lot.held
            its_own = alive and found is not None and lot.class_id in found.classes
            if its_own and view.get(enrolled_key(name, key[1:])) is None:
                yield f"INV-16: {key[1:].hex()} holds {lot.class_id} and is not on the list of {name}"


def _pause(view: View) -> Iterator[str]:
    found: Pause | None = view.get(PAUSE_KEY)
    if found is None:
        return
    sole = found.used + found.sole_until - found.started
    if sole > SOLE_SECONDS or not found.started <= found.sole_until:
        yield f"a pause rests for {sole} s on a regulator's word, limit {SOLE_SECONDS}"
    if found.until > found.started + RATIFIED_SECONDS or (not found.ratified and found.until != found.sole_until):
        yield f"a pause from {found.started} to {found.until}, ratified: {found.ratified}"
