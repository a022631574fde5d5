"""Assets and anchors, as the API shows them."""

from typing import Annotated, Any, Final

import msgspec

from chainnode.backend import NodeBackend
from chainnode.calls import Answer, Call, Query, Route, json_answer, read_address, read_digest, read_identifier
from chainnode.points_answers import ask
from chainnode.problem import Refused
from chainnode.read_scopes import Scope, denied
from chainnode.readers import Reader
from points import queries_assets
from primitives.address import decode_address
from primitives.codes import Code

Plain = Any
_OF_OWNER: Final = ("owner", "owned_since", "seller", "order_id")


class AssetsQuery(Query, frozen=True):
    """`owner`: of this address only; `after`: the `next` of the page before."""

    owner: str = ""
    after: str = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50


async def get_digital_asset(backend: NodeBackend, call: Call) -> Answer:
    asset_id = read_identifier(call.path["id"], "asset")
    plain = ask(backend, queries_assets.asset, asset_id)
    if plain is None:
        raise Refused(Code.ASSET_UNKNOWN, f"no asset {asset_id!r}", "query", status=404)
    return json_answer(_public_row(plain, call.reader))


def _public_row(row: Plain, reader: Reader) -> Plain:
    """That it is registered and what it is, everybody may know; whose it is, its owner, who registered it, and whoever
    may buy it."""
    parties = decode_address(row["owner"]), decode_address(row["registrant"])
    if row["price"] is not None or reader.sees(*parties):
        return row
    hidden = (*_OF_OWNER, "registrant") if row["registrant"] == row["owner"] else _OF_OWNER
    return {**row, **dict.fromkeys(hidden)}


async def get_digital_assets(backend: NodeBackend, call: Call) -> Answer:
    """In order of their ids; a page may be short, `next` says whether there are more."""
    query: AssetsQuery = call.query
    after = read_identifier(query.after, "after") if query.after else ""
    owner = read_address(query.owner) if query.owner else None
    if owner is not None and not call.reader.sees(owner):
        raise denied(call.reader, Scope.OWN_ROWS)  # what somebody owns is his own affair
    page = ask(backend, queries_assets.assets, after, query.limit, owner)
    return json_answer({**page, "items": [_public_row(row, call.reader) for row in page["items"]]})


async def get_anchor(backend: NodeBackend, call: Call) -> Answer:
    namespace = read_identifier(call.path["namespace"], "namespace")
    plain = ask(backend, queries_assets.anchor, namespace, read_digest(call.path["hash"], "hash"))
    if plain is None:
        raise Refused(Code.NOT_FOUND, "this hash is not anchored in the namespace", "query", status=404)
    return json_answer(plain)


ROUTES: Final[tuple[Route, ...]] = (
    Route("GET", "/v1/assets", get_digital_assets, "Digital assets, in order of their ids", AssetsQuery),
    Route("GET", "/v1/assets/{id}", get_digital_asset, "A digital asset: its owner and its posted price"),
    Route("GET", "/v1/anchors/{namespace}/{hash}", get_anchor, "Who anchored a hash first, and when"),
)
