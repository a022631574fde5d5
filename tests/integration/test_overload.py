"""Far more than four real nodes can commit, for a few seconds: nothing is lost, all is answered, all is well again.

How much of the rate is kept is for `hnchain bench overload` on a quiet machine; here the CPU time per transaction says
whether refusals eat it up.
"""

from pathlib import Path

import pytest

from benchmarks.network import throwaway_network
from benchmarks.overload import Phases, overload, text_of


@pytest.mark.pitfall(69)
def test_an_overload_costs_refusals_and_nothing_else(tmp_path: Path) -> None:
    """Four times the rate of the first seconds: too much, too, for a network that is twice as quick once it is warm."""
    with throwaway_network(4, 200, tmp_path) as network:
        found = overload(network, 4.0, 4.0, 0.0, lambda _what, _part: None, phases=Phases(best=4.0))
    said = text_of(found)
    assert found.is_sound, said
    assert found.refused.keys() <= {"POOL_FULL", "SENDER_POOL_LIMIT"} and found.refused, said
    assert found.endings["committed"] + found.refused.get("POOL_FULL", 0) > 1_000, said
    assert found.us_overload < 2 * found.us_best, said
    assert found.normal_after_s <= 7.0, said
    assert found.memory_mib <= 128, said
    assert not found.broken, "no connection that plays by the rules is closed"


def test_a_given_knee_is_passed_and_no_transaction_is_left_without_its_end(tmp_path: Path) -> None:
    """All phases but the forger's, as short as they can be; what must hold however quick or slow the machine is: the
    first of what is offered at once may be answered seconds later."""
    with throwaway_network(4, 200, tmp_path) as network:
        phases = Phases(best=4.0, calm=0.5, after=4.0)
        found = overload(network, 3.0, 6.0, 3_000.0, lambda _what, _part: None, forger=False, phases=phases)
    said = text_of(found)
    assert found.knee_per_s == 3_000 and found.beside_forger is None, said
    assert not found.unanswered and not found.broken and not found.endings["expired"], said
    assert found.endings["committed"] > 0 and found.chain.lost == 0, said
    assert found.endings["refused"] > 0 and found.told_ms > 0, "who is refused is told when to come again"
    assert found.refused.keys() <= {"POOL_FULL", "SENDER_POOL_LIMIT"}, said
    assert found.admitted == sum(found.endings.values()) - found.endings["refused"], said
    assert found.chain.agreed and found.chain.invariants == [] and None not in found.chain.nodes.values(), said
    assert found.is_sound, said
