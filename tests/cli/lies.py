"""Every kind of lie that a node can tell about a chain of four validators, three epochs and some points."""

import json
from collections.abc import Callable
from typing import NamedTuple

from primitives.block import Header, header_digest
from primitives.certificate import Phase, build_certificate, vote_bytes
from primitives.genesis import genesis_text, validator_set
from primitives.json_form import from_plain, to_plain
from primitives.validators import ValidatorSet
from tests.chainnode.solo import text
from tests.cli.lying_node import Door, EpochTown, Plain, ask_town


class World(NamedTuple):
    town: EpochTown
    other: EpochTown  # another chain with the same people
    liar: Door
    honest: Door
    issued: str
    redeemed: str
    old: dict[str, Plain]  # true answers of an hour ago, by path without query


class Row(NamedTuple):
    """`on`: the answers whose path holds this text are changed; `lie` gets (world, true JSON or bytes)."""

    name: str
    command: tuple[str, ...]
    on: str
    lie: Callable[[World, Plain], Plain]
    kind: str = "lying"


def change(path: str, to: object) -> Callable[[World, Plain], Plain]:
    """The member at a dotted path becomes `to`, or `to(old)`."""

    def lie(world: World, truth: Plain) -> Plain:
        *way, last = [int(part) if part.lstrip("-").isdigit() else part for part in path.split(".")]
        at = truth
        for part in way:
            at = at[part]
        at[last] = to(at[last]) if callable(to) else to
        return truth

    return lie


def flipped(digits: str) -> str:
    """Hex with its last byte changed."""
    return digits[:-2] + f"{int(digits[-2:], 16) ^ 1:02x}"


def without(member: str) -> Callable[[World, Plain], Plain]:
    return lambda world, truth: {key: value for key, value in truth.items() if key != member}


def only(truth: Plain) -> Callable[[World, Plain], Plain]:
    return lambda world, _: truth


def forged(town: EpochTown, header: Header, epoch: int, members: ValidatorSet) -> dict[str, Plain]:
    """A certified header of the liar's making, signed by these members."""
    vote = vote_bytes(town.chain_id, epoch, members.hash, Phase.COMMIT, 9, header.height, header_digest(header))
    votes = {node: town.pens[members.key_of(node)].sign(vote) for node in members.nodes}
    made = build_certificate(Phase.COMMIT, epoch, 9, header.height, header_digest(header), votes, members.quorum)
    return {"headers": [to_plain(header)], "certificate": to_plain(made)}


def signed_by_old_keys(world: World, truth: Plain) -> Plain:
    """A new block in epoch 0, by the members of epoch 0, long after they closed it."""
    told = truth.get("proof", truth)
    header = from_plain(Header, told["certified"]["headers"][0])
    plain = {**to_plain(header), "epoch": 0, "valset_hash": validator_set(world.town.genesis).hash.hex(),
             "state_root": "11" * 32}  # fmt: skip
    told["certified"] = forged(world.town, from_plain(Header, plain), 0, validator_set(world.town.genesis))
    return truth


def other_members(world: World, truth: Plain) -> Plain:
    """A handover to the liar's own members: the header is the true one."""
    seats = truth["proof"]["handovers"][0]["seats"]
    seats[0] = {**seats[0], "vote_key": seats[1]["vote_key"]}
    return truth


def of_another_chain(path: str) -> Callable[[World, Plain], Plain]:
    return lambda world, _: json.loads(ask_town(world.other, "GET", path).body)


def raw_proof(world: World, id: str) -> bytes:
    return ask_town(world.town, "GET", f"/v1/transactions/{id}/proof").body


def altered_bytes(world: World, raw: bytes) -> bytes:
    at = len(raw) // 3
    return raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]


ACCOUNT = f"/v1/accounts/{text('u')}"
HISTORY = ACCOUNT + "/history"
BALANCE = ("wallet", "balance", text("u"))
EXPIRING = ("wallet", "expiring", text("u"))
NOBODY = ("wallet", "balance", text("w"))
LOG = ("wallet", "history", text("u"))
SUPPLY = ("audit", "supply")
VERIFY = ("audit", "verify")
SHOW = ("tx", "show", "REDEEMED")
SAVE = ("wallet", "receipt", "save", "REDEEMED", "--to", "r.hnproof")
CERTIFIED = "proof.certified"

ROWS = [
    Row("a balance", BALANCE, ACCOUNT, change("spendable", 99_999)),
    Row("a balance as text", BALANCE, ACCOUNT, change("spendable", "many")),
    Row("units of a class", BALANCE, ACCOUNT, change("by_class.hA.spendable", 1)),
    Row("no holds", BALANCE, ACCOUNT, change("open_holds", 7)),
    Row("a key of the account", BALANCE, ACCOUNT, change("keys.0.key", flipped)),
    Row("a member too many", BALANCE, ACCOUNT, lambda world, truth: truth | {"bonus": 5}),
    Row("a member too few", BALANCE, ACCOUNT, without("held")),
    Row("the moment", BALANCE, ACCOUNT, change("time_s", None)),
    Row("a lot", BALANCE, ACCOUNT, change("proof.records.1.value", flipped)),
    Row("no lots", BALANCE, ACCOUNT, change("proof.records.1.value", None)),
    Row("the value of a class", BALANCE, ACCOUNT, change("proof.records.2.value", flipped)),
    Row("a class left out", BALANCE, ACCOUNT, change("proof.records", lambda records: records[:2])),
    Row("a record under another key", BALANCE, ACCOUNT, change("proof.records.1.key", flipped)),
    Row("a record twice", BALANCE, ACCOUNT, change("proof.records", lambda records: [records[0], *records])),
    Row("a node of the tree", BALANCE, ACCOUNT, change("proof.nodes.0", flipped)),
    Row("a node that is not there", BALANCE, ACCOUNT, change("proof.records.0.path.0", 999)),
    Row("a state root", BALANCE, ACCOUNT, change(f"{CERTIFIED}.headers.0.state_root", flipped)),
    Row("a header's time", BALANCE, ACCOUNT, change(f"{CERTIFIED}.headers.0.time_ms", lambda ms: ms + 1000)),
    Row("no header", BALANCE, ACCOUNT, change(f"{CERTIFIED}.headers", [])),
    Row("a signature", BALANCE, ACCOUNT, change(f"{CERTIFIED}.certificate.signatures.0", flipped)),
    Row("one signature thrice", BALANCE, ACCOUNT,
        change(f"{CERTIFIED}.certificate.signatures", lambda found: found[:1] * 3)),
    Row("the signers", BALANCE, ACCOUNT, change(f"{CERTIFIED}.certificate.signers", lambda bits: bits << 1)),
    Row("too few signers", BALANCE, ACCOUNT, change(f"{CERTIFIED}.certificate.signers", 3)),
    Row("no certificate", BALANCE, ACCOUNT, change(f"{CERTIFIED}.certificate", None)),
    Row("a certificate of prepares", BALANCE, ACCOUNT, change(f"{CERTIFIED}.certificate.phase", 1)),
    Row("an old epoch's number", BALANCE, ACCOUNT, change(f"{CERTIFIED}.certificate.epoch", 0)),
    Row("an epoch to come", BALANCE, ACCOUNT, change(f"{CERTIFIED}.certificate.epoch", 9)),
    Row("a block by old keys", BALANCE, ACCOUNT, signed_by_old_keys),
    Row("other members", BALANCE, ACCOUNT, other_members),
    Row("a handover left out", BALANCE, ACCOUNT, change("proof.handovers", lambda found: found[1:])),
    Row("a handover's signature", BALANCE, ACCOUNT, change("proof.handovers.0.certificate.signatures.1", flipped)),
    Row("another chain's account", BALANCE, ACCOUNT, of_another_chain(f"{ACCOUNT}?proof=1")),
    Row("another chain", BALANCE, "/v1/genesis", lambda world, _: genesis_text(world.other.genesis)),
    Row("no proof", BALANCE, ACCOUNT, without("proof")),
    Row("half a proof", BALANCE, ACCOUNT, change("proof", {"format": 1})),
    Row("a proof of the wrong shape", BALANCE, ACCOUNT, change("proof", [1, 2, 3])),
    Row("half an answer", BALANCE, ACCOUNT, lambda world, truth: json.dumps(truth).encode()[:500]),
    Row("no JSON at all", BALANCE, ACCOUNT, only(b"\xff\xfe")),
    Row("a list", BALANCE, ACCOUNT, only([1])),
    Row("present as absent", BALANCE, ACCOUNT, lambda world, truth: (404, {"name": "ACCOUNT_UNKNOWN"})),
    Row("present as absent, with a true proof", BALANCE, ACCOUNT, lambda world, truth: (404, truth)),
    Row("present as absent, with another's absence", BALANCE, ACCOUNT, lambda world, truth: (
        404, json.loads(ask_town(world.town, "GET", f"/v1/accounts/{text('w')}?proof=1").body))),
    Row("absent as present", NOBODY, "/v1/accounts/", lambda world, truth: (
        200, json.loads(ask_town(world.town, "GET", f"{ACCOUNT}?proof=1").body))),
    Row("absent as present, with the proof of absence", NOBODY, "/v1/accounts/", lambda world, truth: (
        200, json.loads(ask_town(world.town, "GET", f"{ACCOUNT}?proof=1").body) | {"proof": truth["proof"]})),
    Row("when points expire", EXPIRING, ACCOUNT, change("proof.records.1.value", flipped)),
    Row("the balance of an hour ago", BALANCE, ACCOUNT, lambda world, _: world.old[ACCOUNT], "stale"),
    Row("the history of an hour ago", LOG, ACCOUNT, lambda world, _: world.old[HISTORY], "stale"),
    Row("not ready", BALANCE, ACCOUNT, lambda world, _: (503, {"detail": "catching up"}), "unproven"),
    Row("a receipt's code", LOG, HISTORY, change("items.0.code", "INSUFFICIENT")),
    Row("a receipt's event", LOG, HISTORY, change("items.0.events.0.units", 5)),
    Row("a receipt's time", LOG, HISTORY, change("items.0.time_ms", lambda ms: ms + 1)),
    Row("a receipt without proof", LOG, HISTORY, change("items.0.proof", None)),
    Row("a receipt's proof", LOG, HISTORY, change("items.0.proof", flipped)),
    Row("a proof that is no hex", LOG, HISTORY, change("items.0.proof", "zz")),
    Row("a receipt twice", LOG, HISTORY, change("items", lambda items: [items[0], *items])),
    Row("receipts in another order", LOG, HISTORY, change("items", lambda items: items[::-1])),
    Row("another's receipt", LOG, HISTORY, lambda world, truth: json.loads(
        ask_town(world.town, "GET", f"/v1/accounts/{text('v')}/history?proof=1").body)),
    Row("a receipt left out", LOG, HISTORY, change("items", lambda items: items[:1] + items[2:])),
    Row("an end that is none", LOG, HISTORY, change("items", lambda items: items[:1])),
    Row("no progress", LOG, HISTORY, change("next", "9999.0")),
    Row("a place that is none", LOG, HISTORY, change("next", "first")),
    Row("counters of a class", SUPPLY, "/v1/supply", change("supply.hA.issued", 1)),
    Row("counters in the proof", SUPPLY, "/v1/supply", change("proof.records.1.value", flipped)),
    Row("a class left out of the supply", SUPPLY, "/v1/supply", lambda world, truth: {
        "supply": {key: value for key, value in truth["supply"].items() if key != "hA"},
        "proof": truth["proof"] | {"records": truth["proof"]["records"][2:]}}),
    Row("a receipt of another transaction", SAVE, "/proof", lambda world, _: raw_proof(world, world.issued)),
    Row("a receipt file", SAVE, "/proof", altered_bytes),
    Row("half a receipt file", SAVE, "/proof", lambda world, raw: raw[: len(raw) // 2]),
    Row("no such transaction", SAVE, "/proof", lambda world, _: (404, {"name": "NOT_FOUND"}), "unproven"),
    Row("an outcome", SHOW, "/v1/transactions/", lambda world, truth:
        truth if isinstance(truth, bytes) else change("receipt.code", "INSUFFICIENT")(world, truth)),
    Row("a status", SHOW, "/v1/transactions/", lambda world, truth:
        truth if isinstance(truth, bytes) else truth | {"status": "rejected"}),
    Row("an unknown transaction", SHOW, "/v1/transactions/", lambda world, truth:
        truth if isinstance(truth, bytes) else truth | {"status": "unknown", "receipt": None}, "unproven"),
    Row("a height of 10^12", VERIFY, "/v1/status", change("height", 10**12)),
    Row("a height as text", VERIFY, "/v1/status", change("height", "high")),
    Row("a chain id", VERIFY, "/v1/status", change("chain_id", "00" * 32)),
    Row("a validator's key", VERIFY, "/v1/validators", change("members.1.vote_key", flipped)),
    Row("a validator left out", VERIFY, "/v1/validators", change("members", lambda members: members[1:])),
    Row("a quorum", VERIFY, "/v1/validators", change("quorum", 2)),
    Row("an epoch", VERIFY, "/v1/validators", change("epoch", 7)),
    Row("an old epoch", VERIFY, "/v1/validators", change("epoch", 1)),
    Row("no handovers", VERIFY, "/v1/handovers", change("handovers", None)),
    Row("a header", VERIFY, "/v1/headers", change("headers.1.header.proposer", 3)),
    Row("a header's height", VERIFY, "/v1/headers", change("headers.1.header.height", 77)),
    Row("a header's members", VERIFY, "/v1/headers", change("headers.1.header.valset_hash", flipped)),
    Row("the newest header", VERIFY, "/v1/certified", signed_by_old_keys),
]  # fmt: skip
