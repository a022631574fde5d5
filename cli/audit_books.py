"""`hnchain audit supply` and `exposure`: as the state says, proven; as of an earlier day or height, from all receipts.

An earlier state is nowhere kept: what classes and issuers had then is the sum of all receipts from genesis up to then.
The sum goes on to the newest proven state and must give that, or something was left out.
"""

from collections.abc import Mapping
from typing import Any, Final

import click

from cli.as_of import AsOf, read_as_of
from cli.client import Client
from cli.event_stream import ToldBlock, read_blocks
from cli.language import example, t
from cli.lot_ledger import COUNTERS, LotLedger
from cli.network import Network, with_network
from cli.output import answer, points, say, table, with_output, yuan
from cli.outsider import Outsider
from cli.proven_reads import join_supply, read_supply
from cli.statement_rows import NO_TRANSACTION, UY_PER_FEN
from cli.trust_options import with_trust
from cli.verdicts import Verdict
from cli.wallet_reads import say_proven

Plain = Any
NO_UNITS: Final = dict.fromkeys(COUNTERS, 0)
AS_OF_HELP: Final = t("Recomputed from all receipts up to then.", "由截至该时刻的全部回执重算。")


class Recomputed:
    """The counters of all classes at a moment and at the end, from every block of the feed."""

    def __init__(self, as_of: AsOf) -> None:
        self._as_of: Final = as_of
        self._ledger: Final = LotLedger()
        self._then: dict[str, dict[str, int]] | None = None
        self.height = -1  # of the last block at or before the moment

    def read(self, block: ToldBlock) -> None:
        """Blocks in order from the first."""
        place = {"time_ms": block.time_ms, "height": block.height, "index": 0}
        if self._then is None and not self._as_of.holds(place):
            self._ledger.pass_time(self._as_of.time_s)
            self._then = self.now()
        if self._then is None:
            self.height = block.height
        self._ledger.read({**place, "tx": NO_TRANSACTION, "events": block.events})
        for receipt in block.receipts:
            self._ledger.read(receipt)

    def now(self) -> dict[str, dict[str, int]]:
        """Counters after the last block that was read."""
        return {class_id: dict(row) for class_id, row in self._ledger.counters.items()}

    def then(self) -> dict[str, dict[str, int]]:
        """Counters at the moment; the newest ones if the chain has not passed it."""
        return self.now() if self._then is None else self._then

    @property
    def faults(self) -> list[str]:
        return self._ledger.faults


def with_outstanding(counters: Mapping[str, Mapping[str, int]], classes: list[str]) -> dict[str, dict[str, int]]:
    """In the form of /v1/supply, classes without units included (INV-1)."""
    found = {}
    for class_id in classes:
        row = dict(counters.get(class_id, NO_UNITS))
        row["outstanding"] = row["issued"] + row["exch_in"] + row["restored"] - row["redeemed"] - row["expired"]
        row["outstanding"] -= row["burned"]
        found[class_id] = row
    return found


def differences(found: Mapping[str, Plain], stated: Mapping[str, Plain]) -> list[str]:
    """Counter by counter."""
    return [
        t(f"{class_id}: receipts give {name} {found[class_id][name]}, the state says {row[name]}",
          f"{class_id}：回执合计 {name} 为 {found[class_id][name]}，状态中为 {row[name]}")
        for class_id, row in sorted(stated.items())
        for name in COUNTERS
        if found[class_id][name] != row[name]
    ]  # fmt: skip


def read_all(network: Network, as_of: AsOf, last: int) -> Recomputed:
    """From every block up to `last`. Raises: Refusal, PRUNED where the first blocks are gone."""
    found = Recomputed(as_of)

    def tell(height: int) -> None:
        if height % 1000 == 0 and height:
            say(f"{height}/{last}")

    for block in read_blocks(network.nodes, 0, last, network.tickets, tell):
        found.read(block)
    return found


def _supply_now(network: Network, outsider: Outsider | None) -> tuple[Plain, int]:
    """The counters, and the height that they are of."""
    if outsider is None:
        client = network.client()
        height: int = client.get("/v1/status")["height"]
        return client.get("/v1/supply"), height
    readings = outsider.gather(lambda node: read_supply(outsider, node))
    say_proven(readings[0])
    return join_supply(outsider, readings), readings[0].header.exec_height


def _at(as_of: str | None, client: Client, height: int) -> AsOf:
    return AsOf(2**62, height) if as_of is None else read_as_of(as_of, client)


@click.command(help=t("Units of every class by what became of them (INV-1): now, or as of a day or height.",
                      "各类别积分的去向及守恒核对（INV-1）：当前，或截至某日、某高度。"),
               epilog=example("hnchain audit supply --as-of 2026-05-01"))  # fmt: skip
@click.option("--as-of", "as_of", metavar="DATE|HEIGHT", help=AS_OF_HELP)
@click.option("--recompute", is_flag=True, help=t("Hold the state against the sum of all receipts.",
                                                  "以全部回执之和核对状态。"))  # fmt: skip
@with_network
@with_trust
@with_output
def supply(as_of: str | None, recompute: bool, network: Network, outsider: Outsider | None) -> int:
    stated, height = _supply_now(network, outsider)
    plain, faults = stated, list[str]()
    if as_of is not None or recompute:
        plain, faults, of = _supply_then(network, as_of, stated, height)
        answer({**of, "classes": plain, "faults": faults}, _supply_text(plain, faults))
    else:
        answer(plain, _supply_text(plain, []))
    lied = outsider is not None and any(one.kind == "lying" for one in outsider.distrusted)
    adds_up = all(int(c["outstanding"]) >= 0 for c in plain.values())
    return int(Verdict.DONE if adds_up and not lied and not faults else Verdict.REJECTED)


def _supply_then(
    network: Network, as_of: str | None, stated: Plain, height: int
) -> tuple[Plain, list[str], dict[str, int]]:
    """The counters at the moment, what does not agree at the end, and which heights these are."""
    found = read_all(network, _at(as_of, network.client(), height), height)
    faults = [*found.faults, *differences(with_outstanding(found.now(), sorted(stated)), stated)]
    say(t(f"as of block {found.height}, from the receipts of {height + 1} blocks",
          f"截至区块 {found.height}，由 {height + 1} 个区块的回执重算"))  # fmt: skip
    return with_outstanding(found.then(), sorted(stated)), faults, {"height": found.height, "checked_at": height}


def _supply_text(plain: Plain, faults: list[str]) -> str:
    fates = (*COUNTERS, "outstanding")
    rows = [(class_id, *(points(c[fate]) for fate in fates)) for class_id, c in sorted(plain.items())]
    headers = (t("class", "类别"), t("issued", "发放"), t("exchanged in", "换入"), t("restored", "退回"),
               t("redeemed", "核销"), t("expired", "过期"), t("burned", "冲正"), t("outstanding", "流通"))  # fmt: skip
    return "\n".join([table(headers, rows), *(f"✗ {fault}" for fault in faults)])


@click.command(help=t("Cap, outstanding, debts and room of every merchant; with --as-of what its points were worth.",
                      "各商户的上限、流通、应付与余量；--as-of 则为当时流通积分的价值。"),
               epilog=example("hnchain audit exposure --as-of 2026-05-01"))  # fmt: skip
@click.option("--as-of", "as_of", metavar="DATE|HEIGHT", help=AS_OF_HELP)
@with_network
@with_output
def exposure(as_of: str | None, network: Network) -> int:
    client = network.client()
    plain = []
    for merchant in client.get("/v1/merchants")["items"]:
        found = client.get(f"/v1/merchants/{merchant['id']}/exposure")
        plain.append({**found, "name_zh": merchant["name_zh"], "name_en": merchant["name_en"]})
    if as_of is not None:
        return _exposure_then(network, as_of, plain)
    rows = [(_name(item), item["status"], *(yuan(item[key]) for key in ("cap", "outstanding", "payable", "room")))
            for item in plain]  # fmt: skip
    headers = (t("merchant", "商户"), t("status", "状态"), t("cap", "上限"), t("outstanding", "流通"),
               t("payable", "应付"), t("room", "余量"))  # fmt: skip
    answer(plain, table(headers, rows))
    return int(Verdict.DONE)


def _exposure_then(network: Network, as_of: str, merchants: list[Plain]) -> int:
    """What was outstanding of each merchant's points; at the end the supply must be that of the state."""
    client = network.client()
    height = client.get("/v1/status")["height"]
    stated, classes = client.get("/v1/supply"), client.get("/v1/classes")["items"]
    then, faults, of = _supply_then(network, as_of, stated, height)
    plain = [
        {"merchant": item["merchant"], "name_zh": item["name_zh"], "name_en": item["name_en"],
         "classes": (own := {c["class"]: then[c["class"]]["outstanding"] for c in classes
                             if c["issuer"] == item["merchant"]}),
         "outstanding": -(-sum(own[c["class"]] * c["uv"] for c in classes if c["class"] in own) // UY_PER_FEN)}
        for item in merchants
    ]  # fmt: skip
    rows = [(_name(item), yuan(item["outstanding"]), ", ".join(f"{c} {points(n)}" for c, n in item["classes"].items()))
            for item in plain]  # fmt: skip
    headers = (t("merchant", "商户"), t("outstanding", "流通"), t("units", "数量"))
    text = "\n".join([table(headers, rows), *(f"✗ {fault}" for fault in faults)])
    answer({**of, "items": plain, "faults": faults}, text)
    return int(Verdict.REJECTED if faults else Verdict.DONE)


def _name(item: Plain) -> str:
    return t(item["name_en"], item["name_zh"]) or str(item["merchant"])[:16]
