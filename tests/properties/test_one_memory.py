"""A block that forgets everything between two transactions gives the same bytes as one that remembers."""

from collections.abc import Sequence
from importlib.util import module_from_spec, spec_from_file_location
from typing import Any

import pytest

from points.state import encode_value
from points.transition import genesis_state
from points.turn import Turn
from points.view import Memory
from primitives.codec import encode
from primitives.codes import Code
from primitives.transaction import Decoded
from tests.code_under_test import FOLDER
from tests.properties.town import START, Town
from tests.properties.town_walk import plan, play

IN_A_BLOCK = 12  # steps of a town, which waits between most of them


def from_source() -> Any:
    """The module of apply_block in plain Python: a compiled one does not see that a function of its own is replaced."""
    spec = spec_from_file_location("transition_source", FOLDER / "points" / "transition.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def blocks_of(town: Town, rules: Any) -> list[bytes]:
    """What many steps at once do, block by block."""
    view, previous, found = Memory(), START, []
    view.apply(genesis_state(town.genesis))
    for start in range(0, len(town.log), IN_A_BLOCK):
        steps = town.log[start : start + IN_A_BLOCK]
        at, _, note = steps[-1]
        done = rules.apply_block(
            view, time_s=at, previous_s=previous, height=start + 1, chain_id=town.chain_id,
            transactions=[one for _, transactions, _ in steps for one in transactions], seen=lambda _: False, note=note,
        )  # fmt: skip
        changes = {key: None if record is None else encode_value(record) for key, record in done.changes.items()}
        found.append(encode((done.receipts, done.events, sorted(changes.items()))))
        view.apply(done.changes)
        previous = at
    return found


@pytest.mark.parametrize("seed", [700, 701])
def test_what_a_block_remembers_changes_nothing(seed: int) -> None:
    rules, forgotten = from_source(), 0
    rules._check_envelope = lambda turn, envelope: Code.OK  # none is too old
    town = play(seed, plan(seed, 400))
    remembered = blocks_of(town, rules)
    apply: Any = rules._apply

    def forgetful(turn: Turn, decoded: Decoded, index: int) -> Sequence[Any]:
        nonlocal forgotten
        forgotten += 1
        known = turn.draft._known
        known.clear()
        known.update(turn.draft.changes)
        turn.reload()
        found: Sequence[Any] = apply(turn, decoded, index)
        return found

    rules._apply = forgetful
    assert blocks_of(town, rules) == remembered
    assert forgotten > len(remembered)
