"""The scopes of the project: what `make exhaustive` explores to the end, and the small ones of `make test`."""

from typing import Final

from tests.exhaustive.search import Bound

SHORT: Final = (
    *(Bound(4, traitor, heights=1, views=2) for traitor in range(4)),
    *(Bound(4, traitor, heights=2, views=2, decisions=False) for traitor in (0, 2, 3)),
    Bound(4, 2, heights=1, views=3, decisions=False),
    Bound(4, 1, heights=1, views=2, late=True),
    Bound(4, 3, heights=2, views=3, decisions=False),
    Bound(5, 0, heights=1, views=1),
    Bound(5, 4, heights=1, views=2, decisions=False),
)
FULL: Final = (
    *(Bound(4, traitor, heights=2, views=1) for traitor in range(4)),
    *(Bound(4, traitor, heights=1, views=3) for traitor in range(4)),
    *(Bound(4, traitor, heights=2, views=2) for traitor in (2, 3)),
    *(Bound(4, traitor, heights=2, views=3, decisions=False) for traitor in range(4)),
    *(Bound(5, traitor, heights=1, views=2, decisions=False) for traitor in range(5)),
)
