"""What readers beside an append know of the state tree that the store does not hold yet."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Layer(NamedTuple):
    """What updates in a row changed. Layers since the last flush, on top of the store, are the tree without making
    anything anew.

    `first` and `last` are the numbers of their records in the log; `nodes` are the upper branches by path, None for
    one that is gone; `flushed`: the update stores these and all before them.
    """

    first: int
    last: int
    nodes: Mapping[bytes, bytes | None]
    flushed: bool


def stacked(layers: Sequence[Layer], newest: Layer) -> tuple[Layer, ...]:
    """One layer more. Those below it, which are in the store by now, are merged as they grow: a dozen stand for a log
    of any length."""
    below = list(layers)
    while len(below) > 1 and below[-2].last - below[-2].first <= below[-1].last - below[-1].first:
        upper, lower = below.pop(), below.pop()
        below.append(Layer(lower.first, upper.last, {**lower.nodes, **upper.nodes}, flushed=False))
    return *below, newest
