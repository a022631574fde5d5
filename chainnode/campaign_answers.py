"""Campaigns, as the API shows them; answered as in points_answers."""

from typing import Annotated, Final

import msgspec

from chainnode.backend import NodeBackend
from chainnode.calls import Answer, Call, Query, Route, json_answer, read_address, read_identifier
from chainnode.points_answers import ask
from chainnode.problem import Refused
from points import queries_campaigns
from primitives.codes import Code


class CampaignsQuery(Query, frozen=True):
    """`after`: the `next` of the page before. `merchant`: only its campaigns."""

    after: Annotated[str, msgspec.Meta(max_length=64)] = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50
    merchant: str = ""


def _unknown(campaign_id: str) -> Refused:
    return Refused(Code.CAMPAIGN_UNKNOWN, f"no campaign {campaign_id!r}", "query", status=404)


async def get_campaigns(backend: NodeBackend, call: Call) -> Answer:
    query: CampaignsQuery = call.query
    after = read_identifier(query.after, "after") if query.after else ""
    merchant = read_address(query.merchant) if query.merchant else None
    return json_answer(ask(backend, queries_campaigns.campaigns, after, query.limit, merchant))


async def get_campaign(backend: NodeBackend, call: Call) -> Answer:
    """Units: budget, granted, left; and whether it is open now."""
    campaign_id = read_identifier(call.path["id"], "campaign")
    plain = ask(backend, queries_campaigns.campaign, campaign_id)
    if plain is None:
        raise _unknown(campaign_id)
    return json_answer(plain)


async def get_grant(backend: NodeBackend, call: Call) -> Answer:
    """0 units for an account that had nothing, also for one that does not exist."""
    campaign_id = read_identifier(call.path["id"], "campaign")
    plain = ask(backend, queries_campaigns.grant, campaign_id, read_address(call.path["address"]))
    if plain is None:
        raise _unknown(campaign_id)
    return json_answer(plain)


ROUTES: Final[tuple[Route, ...]] = (
    Route("GET", "/v1/campaigns", get_campaigns, "Campaigns in order of their ids", CampaignsQuery),
    Route("GET", "/v1/campaigns/{id}", get_campaign, "A campaign: budget, what is left, times, root of its list"),
    Route("GET", "/v1/campaigns/{id}/accounts/{address}", get_grant, "What an account has had of a campaign"),
)
