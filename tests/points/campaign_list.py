"""A campaign of merchant A for the rule tests: u is listed for 100 units, v for 40."""

from dataclasses import dataclass, field
from itertools import count
from typing import Any

from primitives.kinds import AccountKey
from primitives.kinds_campaigns import BatchIssue, CampaignClaim, CampaignCreate, list_root, prove_entry
from tests.points.market import ADDRESS, DAY, START, Market, key_of

SPRING = "spring"


@dataclass
class Listed:
    """A campaign's list by names; what its merchant keeps at home."""

    units: dict[str, int] = field(default_factory=lambda: {"u": 100, "v": 40})
    campaign: str = SPRING

    @property
    def entries(self) -> list[tuple[bytes, int]]:
        return [(ADDRESS[name], units) for name, units in self.units.items()]

    def create(self, **fields: Any) -> CampaignCreate:
        terms = {"budget": 1000, "per_account": 150, "starts": START, "ends": START + 10 * DAY} | fields
        terms.setdefault("root", list_root(self.campaign, self.entries))
        return CampaignCreate(self.campaign, terms.pop("class_id", "hA"), **terms)

    def claim(self, name: str, units: int | None = None, of: str | None = None) -> CampaignClaim:
        """The claim of `name` with its own proof, or with that of another account."""
        proof = prove_entry(self.campaign, self.entries, list(self.units).index(of or name))
        return CampaignClaim(self.campaign, self.units[of or name] if units is None else units, proof)


LIST = Listed()


_orders = count()


def batch(
    *entries: tuple[str, int], campaign: str = SPRING, class_id: str = "hA", order_id: str = ""
) -> BatchIssue:
    """A batch of its own order, unless it is named."""
    stranger = bytes(19) + b"x"
    listed = tuple((ADDRESS.get(name, stranger), units) for name, units in entries)
    return BatchIssue(campaign, class_id, listed, order_id or f"batch-{next(_orders)}")


def running(market: Market | None = None, **fields: Any) -> Market:
    market = market or Market()
    market.ok("A", LIST.create(**fields))
    return market


def limited(name: str, fen: int) -> AccountKey:
    """An issuer key with a daily limit."""
    return AccountKey(key_of(name).public_key, "issuer", fen)
