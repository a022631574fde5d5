"""Small scopes to the end: agreement, and no second signature for a slot, in every state; larger: `make exhaustive`."""

import pytest

from tests.exhaustive.scopes import SHORT
from tests.exhaustive.search import Bound, Search


@pytest.mark.parametrize("bound", SHORT, ids=str)
def test_nothing_in_the_scope_breaks_agreement(bound: Bound) -> None:
    """Every order of deliveries, timeouts and forgeries; the search ends because nothing new comes."""
    outcome = Search(bound).run(seconds=120)
    assert outcome.violation is None, "\n".join([outcome.violation, *outcome.path])
    assert outcome.complete, f"{outcome.states} states and no end"
    assert outcome.states > 100, "a search that moves nothing finds nothing"


def test_a_decision_is_reached_and_undone_in_no_state() -> None:
    """The scope is not empty of what it is about: cores decide, in both views, different blocks in different runs."""
    search = Search(Bound(4, 1, heights=1, views=2))
    outcome = search.run(seconds=120)
    chains = {glance.chain for machine in search.machines for glance in machine.glances if glance.chain}
    assert outcome.decided > 0 and len(chains) >= 3
    proposers = {search.registry.blocks[chain[0]].header.proposer for chain in chains}  # type: ignore[index]
    assert proposers == {0, 1}
