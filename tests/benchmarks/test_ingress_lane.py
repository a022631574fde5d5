"""The lane to a node's ingress when the node has no room: a closed loop waits as it is told, an open one does not."""

import asyncio
from collections.abc import Iterable

import pytest

from benchmarks.ingress_lane import IngressLane
from benchmarks.outcomes import Ending
from primitives.codes import Code
from tests.chainnode.doors import ingress
from tests.chainnode.mesh import eventually, run
from tests.chainnode.transactions import make


class Reports:
    """A Desk that remembers refusals."""

    def __init__(self) -> None:
        self.codes: list[int] = []

    def settled(self, number: int, ending: Ending, code: int, height: int) -> None:
        raise AssertionError("nothing is committed here")

    def refused(self, number: int, code: int) -> None:
        self.codes.append(code)

    def unsent(self, numbers: Iterable[int]) -> None:
        raise AssertionError("the node is there")

    def unknown(self, numbers: Iterable[int]) -> None:
        raise AssertionError("every answer is final")


@pytest.mark.parametrize("closed", [True, False])
def test_a_closed_loop_waits_as_long_as_the_node_says(closed: bool) -> None:
    async def scenario() -> None:
        one, desk = make(), Reports()
        async with (
            ingress() as (_, door, port),
            IngressLane("127.0.0.1", port, [one.raw], [one.id], desk, closed) as way,
        ):
            assert way.room()
            door.busy_ms = 300
            began = asyncio.get_running_loop().time()
            way.send([0])
            await eventually(lambda: desk.codes == [Code.POOL_FULL])
            assert bool(way.room()) is not closed
            await eventually(lambda: way.room() > 0)
            assert not closed or asyncio.get_running_loop().time() >= began + 0.3

    run(scenario)
