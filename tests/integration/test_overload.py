"""Three times what four real nodes can commit, for a few seconds: nothing is lost, all is answered, all is well again.

How much of the rate is kept is for `hnchain bench overload` on a quiet machine; here the CPU time per transaction says
whether refusals eat it up.
"""

from pathlib import Path

import pytest

from benchmarks.network import throwaway_network
from benchmarks.overload import Phases, overload, text_of


@pytest.mark.pitfall(69)
def test_an_overload_costs_refusals_and_nothing_else(tmp_path: Path) -> None:
    with throwaway_network(4, 200, tmp_path) as network:
        found = overload(network, 4.0, 3.0, 0.0, lambda _what, _part: None, phases=Phases(best=2.0))
    said = text_of(found)
    assert found.is_sound, said
    assert found.refused.keys() <= {"POOL_FULL", "SENDER_POOL_LIMIT"} and found.refused, said
    assert found.endings["committed"] + found.refused.get("POOL_FULL", 0) > 1_000, said
    assert found.us_overload < 2 * found.us_best, said
    assert found.normal_after_s <= 7.0, said
    assert found.memory_mib <= 128, said
    assert not found.broken, "no connection that plays by the rules is closed"
