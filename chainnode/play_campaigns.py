"""What a scenario may leave out of a campaign: the root of its list, and the proofs of its entries.

campaign_create takes "list": [[NAME, units], ...] in place of "root"; campaign_claim takes "proof": NAME for the proof
of that name's entry, whoever sends it. A name that is not listed gets a path that proves nothing.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from primitives.codec import Malformed
from primitives.json_form import from_plain, to_plain
from primitives.kinds_campaigns import BatchIssue, Entry, LeafProof, list_root, prove_entry

Plain = Any


class CampaignLists:
    """The lists that the steps of one play have written so far, by campaign."""

    def __init__(self) -> None:
        self._lists: Final[dict[str, tuple[Entry, ...]]] = {}

    def filled(
        self, kind: str, body: Mapping[str, Plain], address_text: Callable[[str], str | None]
    ) -> dict[str, Plain]:
        """The body of a campaign kind with root and proof as they travel. Raises: Malformed for a bad list."""
        plain, campaign = dict(body), str(body.get("campaign"))
        if kind == "campaign_create" and "list" in plain:
            names = {"campaign": "list", "class": "list", "order_id": "list"}
            read = from_plain(BatchIssue, names | {"entries": plain.pop("list")}, "list")
            if "root" in plain or not read.entries:
                raise Malformed("list: expected at least one entry, and no root beside it")
            self._lists[campaign] = read.entries
            plain["root"] = list_root(campaign, read.entries).hex()
        elif kind == "campaign_claim" and isinstance(plain.get("proof"), str):
            plain["proof"] = to_plain(self._proof(campaign, address_text(plain["proof"])))
        return plain

    def _proof(self, campaign: str, address: str | None) -> LeafProof:
        entries = self._lists.get(campaign, ())
        for index, entry in enumerate(entries):
            if to_plain(BatchIssue("list", "list", (entry,), "list"))["entries"][0][0] == address:
                return prove_entry(campaign, entries, index)
        return LeafProof(0, max(1, len(entries)))
