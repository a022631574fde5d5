"""INV-15, computed again from the whole state: no campaign and no account of it got more than was promised."""

from collections.abc import Iterator

from points.campaign_records import Campaign
from points.keys import campaign_key, class_key, counters_key
from points.state import NO_COUNTERS, Counters
from points.view import View


def campaign_faults(view: View, time_s: int) -> Iterator[str]:
    """What is broken at block time `time_s`. Grants leave the state after their campaign's end, so that from then on
    their sum may only be lower than what was granted. That nobody claims twice is a matter of steps."""
    units: dict[str, int] = {}
    accounts: dict[str, int] = {}
    for key, grant in view.range(b"b", b"c"):
        name = key[1 : key.index(b"\x00")].decode()
        units[name] = units.get(name, 0) + grant.units
        accounts[name] = accounts.get(name, 0) + 1
        of: Campaign | None = view.get(campaign_key(name))
        if of is None:
            yield f"INV-15: a grant of {grant.units} units from {name}, no such campaign"
        elif not 0 < grant.units <= of.per_account:
            yield f"INV-15: {name}: {grant.units} units in one account, limit {of.per_account}"
    for key, campaign in view.range(b"a", b"b"):
        name = key[1:].decode()
        if not 0 <= campaign.granted <= campaign.budget:
            yield f"INV-15: {name}: {campaign.granted} units granted, budget {campaign.budget}"
        found, told = (units.get(name, 0), accounts.get(name, 0)), (campaign.granted, campaign.accounts)
        if found != told if time_s < campaign.ends else (found[0] > told[0] or found[1] > told[1]):
            yield f"INV-15: {name}: units and accounts {found} in its grants, {told} counted"
        issued: Counters = view.get(counters_key(campaign.class_id)) or NO_COUNTERS
        if issued.issued < campaign.granted or view.get(class_key(campaign.class_id)).issuer != campaign.issuer:
            yield f"INV-15: {name}: grants {campaign.granted} units of {campaign.class_id}, {issued.issued} were issued"
