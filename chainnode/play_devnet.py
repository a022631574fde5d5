"""The devnet engine: a scenario file on real processes with the test clock (C14).

Blocks are ordered through one node's admin listener and answered when all nodes have executed them with the same state
root; queries go to the public API. So whatever the scenario expects, it expects of every node.
"""

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from chainnode.devnet import Devnet, create, wait_for
from chainnode.devnet_calls import Refused, call
from chainnode.devnet_layout import place_on, validators_of
from chainnode.ledger_audit import audit_config
from chainnode.listening_ports import free_ports
from chainnode.play_engine import Outcome
from primitives.address import decode_address
from primitives.codec import Malformed
from primitives.codes import Code
from primitives.genesis import Genesis
from primitives.receipt import Event, First, Receipt
from primitives.validators import Validator

Plain = Any
BuildGenesis = Callable[[tuple[Validator, ...]], Genesis]
AGREE_SECONDS: Final = 20.0
PORTS_PER_NODE: Final = 4
_ADDED: Final = {
    "window": ("id",), "losses": ("id",),
    "report": ("network", "chain_id", "filing", "since", "height", "state_root"),
}  # by the API, to what the query itself answers  # fmt: skip


class EngineFailed(Exception):
    """The network did not do what every network must: no verdict about the scenario."""


@contextmanager
def devnet_engine(directory: Path, validators: int) -> Iterator[Callable[[BuildGenesis], "DevnetEngine"]]:
    """A maker of engines, as play_file wants it; at the end all nodes are stopped and one ledger each is replayed."""
    networks: list[Devnet] = []
    opened: list[DevnetEngine] = []

    def open_engine(build: BuildGenesis) -> DevnetEngine:
        seed = secrets.token_bytes(32)
        places = place_on(free_ports(validators * PORTS_PER_NODE))
        genesis = build(validators_of(seed, validators))
        network = create(directory / f"network-{len(opened)}", seed, places, genesis, checked=True)
        networks.append(network)
        for place in places:
            network.start(place)
        network.wait_ready(places)
        opened.append(DevnetEngine(network, genesis))
        return opened[-1]

    try:
        yield open_engine
    finally:
        for network in networks:
            network.stop()
    for engine in opened:
        engine.check_replay()


class DevnetEngine:
    """See play_engine.Engine."""

    def __init__(self, network: Devnet, genesis: Genesis) -> None:
        self._network: Final = network
        self._entry: Final = network.places[0]
        self._time_s = genesis.time
        status = network.status(self._entry)
        self._height, self._root = int(status["height"]), str(status["state_root"])

    @property
    def height(self) -> int:
        """Of the last block on all nodes. Flush blocks count, so it may differ from another engine's."""
        return self._height

    @property
    def state_root(self) -> bytes:
        """See Engine."""
        return bytes.fromhex(self._root)

    def submit_block(self, transactions: Sequence[bytes]) -> list[Outcome]:
        """See Engine."""
        body = {"transactions": [raw.hex() for raw in transactions]}
        answer = self._network.admin(self._entry, "POST", "/admin/block", body)
        self._agree(int(answer["height"]))
        return [_outcome(line) for line in answer["results"]]

    def set_time(self, seconds: int) -> None:
        """See Engine."""
        if seconds <= self._time_s:
            raise ValueError(f"time {seconds} is not later than the last block's {self._time_s}")
        for place in self._network.places:
            self._network.admin(place, "POST", "/admin/clock", {"time_ms": seconds * 1000})
        answer = self._network.admin(self._entry, "POST", "/admin/block", {"empty": True})
        self._time_s = seconds
        self._agree(int(answer["height"]))

    def query(self, name: str, of: str | None) -> Plain:
        """See Engine."""
        if name == "window" and of is None:
            closed = [str(w["id"]) for w in self._get("/v1/windows")["items"] if w["state"] != "OPEN"]
            return self.query(name, closed[0]) if closed else None
        if name == "lots":
            lots = self._get(f"/v1/accounts/{of}/lots")["items"]
            totals: dict[str, int] = {}
            for lot in lots:
                totals[lot["class"]] = totals.get(lot["class"], 0) + lot["units"]
            return {**totals, "lots": lots}
        if name == "supply":
            supply = self._get("/v1/supply")
            return supply if of is None else supply.get(of)
        if name in ("proposals", "sandboxes"):
            return self._get(f"/v1/{name}")["items"]
        found = self._found(_path(name, of))
        if name == "merchant" and found is not None:  # what the API adds: the id, and the names that genesis gave
            added = {"id"} if "applied" in found else {"id", "name_zh", "name_en"}
            return {key: value for key, value in found.items() if key not in added}
        if isinstance(found, dict):
            found = {key: value for key, value in found.items() if key not in _ADDED.get(name, ())}
        return found

    def violations(self) -> list[str]:
        """See Engine; of every node."""
        found = []
        for place in self._network.places:
            answer = self._network.admin(place, "GET", "/admin/invariants")
            found += [f"{place.name}: {sentence}" for sentence in answer["violations"]]
        return found

    def check_replay(self) -> None:
        """Once the nodes are stopped: a replay of one ledger from genesis gives every state root again.

        Raises: EngineFailed with the first difference; NodeFailure.
        """
        config = self._network.folder(self._entry) / "node.toml"
        found = audit_config(config, lambda _height, _stop: None)
        if not found["ok"] or found["state_root"] != self._root:
            raise EngineFailed(f"the replay of {self._entry.name} differs from {self._root}: {found}")

    def _get(self, path: str) -> Plain:
        return call(self._entry.http_port, "GET", path)

    def _found(self, path: str) -> Plain:
        try:
            return self._get(path)
        except Refused as refused:
            if refused.status == 404:
                return None
            raise

    def _agree(self, height: int) -> None:
        """Until all nodes stand at one height, at least this, with one state root. Raises: EngineFailed."""
        seen: list[tuple[int, str]] = []

        def agreed() -> bool:
            statuses = [self._network.status(place) for place in self._network.places]
            seen[:] = [(-1, "") if s is None else (int(s["height"]), str(s["state_root"])) for s in statuses]
            return len(set(seen)) == 1 and seen[0][0] >= height

        if not wait_for(agreed, AGREE_SECONDS):
            raise EngineFailed(f"after {AGREE_SECONDS:.0f} s the nodes stand at {seen}, expected height {height}")
        self._height, self._root = seen[0]


def _path(name: str, of: str | None) -> str:
    text = quote(of or "", safe="")
    match name:
        case "account":
            return f"/v1/accounts/{text}"
        case "exposure":
            return f"/v1/merchants/{text}/exposure"
        case "obligations":
            return "/v1/obligations" if of is None else f"/v1/obligations?window={text}"
        case "window":
            return f"/v1/windows/{text}"
        case "order":
            merchant, _, order = (of or "").partition("/")
            return f"/v1/orders/{quote(merchant, safe='')}/{quote(order, safe='')}"
        case "hold":
            return f"/v1/holds/{text}"
        case "class":
            return f"/v1/classes/{text}"
        case "recovery":
            return f"/v1/accounts/{text}/recovery"
        case "asset":
            return f"/v1/assets/{text}"
        case "erratum":
            return f"/v1/errata/{text}"
        case "challenge":
            return f"/v1/challenges/{text}"
        case "campaign":
            return f"/v1/campaigns/{text}"
        case "sandbox":
            return f"/v1/sandboxes/{text}"
        case "enrolled":
            account, _, sandbox_id = (of or "").partition("/")
            return f"/v1/sandboxes/{quote(sandbox_id, safe='')}/accounts/{account}"
        case "pause":
            return "/v1/pause"
        case "grant":
            account, _, campaign_id = (of or "").partition("/")
            return f"/v1/campaigns/{quote(campaign_id, safe='')}/accounts/{account}"
        case "anchor":
            namespace, _, evidence = (of or "").rpartition("/")
            return f"/v1/anchors/{quote(namespace, safe='')}/{evidence}"
        case "losses":
            return f"/v1/windows/{text}/losses"
        case "breakage":
            return f"/v1/merchants/{text}/breakage"
        case "alert":
            rule, subject, other = f"{of}//".split("/")[:3]
            return f"/v1/alerts/{rule}/{subject}" + (f"?other={other}" if other else "")
        case "alerts":
            return "/v1/alerts?limit=1000"
        case "validators" | "committee" | "offices" | "challenges" | "proposals" | "fund" | "report":
            return f"/v1/{name}"
        case "proposal":
            return f"/v1/proposals/{text}"
        case "merchant":
            return f"/v1/merchants/{text}"
        case _:
            raise EngineFailed(f"no query {name!r}")


def _outcome(line: Plain) -> Outcome:
    receipt = line["receipt"]
    if receipt is None:
        return Outcome(Code(line["number"]), line["detail"])
    return Outcome(Code(receipt["number"]), receipt["detail"], _receipt(receipt))


def _receipt(plain: Plain) -> Receipt:
    first = plain["first"] and First(bytes.fromhex(plain["first"]["tx"]), plain["first"]["height"],
                                     plain["first"]["index"])  # fmt: skip
    return Receipt(
        bytes.fromhex(plain["tx"]), plain["height"], plain["index"], plain["number"], plain["detail"],
        plain["operation"], first, tuple(_event(event) for event in plain["events"]),
    )  # fmt: skip


def _event(plain: Plain) -> Event:
    """The public form is flat; what looks like an address or a hash was one, and reads the same again either way."""
    fields, accounts, hashes = [], [], []
    for name, value in plain.items():
        if name == "kind":
            continue
        address = _address(value)
        if address is not None:
            accounts.append((name, address))
        elif isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef"):
            hashes.append((name, bytes.fromhex(value)))
        else:
            fields.append((name, value))
    return Event(plain["kind"], tuple(fields), tuple(accounts), tuple(hashes))


def _address(value: Plain) -> bytes | None:
    try:
        return decode_address(value) if isinstance(value, str) and value.startswith("hn1") else None
    except Malformed:
        return None
