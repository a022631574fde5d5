"""Answers with their proofs: accounts, absent ones included, supply, history, the newest certified header."""

import asyncio
import json
from typing import Any

import msgspec
import pytest

from chainnode.proven_account import ProvenView, Unproven, genesis_root, proven_account, proven_supply
from points.keys import class_key
from primitives.address import encode_address
from primitives.codec import Malformed
from primitives.genesis import load_genesis
from primitives.json_form import from_plain
from primitives.keys import Address
from primitives.light_client import TrustedEpochs
from primitives.proof import verify_receipt_proof
from primitives.receipt_form import receipt_to_plain
from primitives.state_evidence import StateEvidence, check_evidence
from tests.chainnode.solo import Town, text
from tests.chainnode.test_api import ask, call
from tests.points.market import ADDRESS

STRANGER = Address(b"\x05" * 20)


def trusting(town: Town) -> TrustedEpochs:
    return TrustedEpochs(town.genesis, genesis_root=lambda: genesis_root(town.genesis))


def evidence(plain: Any) -> StateEvidence:
    return from_plain(StateEvidence, plain["proof"])


def test_a_balance_follows_from_the_proven_records_alone() -> None:
    town = Town()
    town.run(town.issue("o1"))
    town.run(town.issue("o2", merchant="B"))
    town.node.flush()
    status, plain = call(town, "GET", f"/v1/accounts/{text('u')}", proof="1")
    assert status == 200
    header, values = check_evidence(evidence(plain), trusting(town))
    again = proven_account(ProvenView(values), plain["time_s"], ADDRESS["u"])
    assert {**again, "time_s": plain["time_s"]} == {key: plain[key] for key in plain if key != "proof"}
    assert again["spendable"] > 0 and set(again["by_class"]) == {"hA", "hB"}
    assert header.height == 3 and plain["time_s"] == header.time_ms // 1000
    nodes = evidence(plain).nodes
    assert len(set(nodes)) == len(nodes), "a node that several keys share stands once"


def test_every_record_that_the_balance_needs_must_be_there() -> None:
    town = Town()
    town.run(town.issue("o1"))
    town.node.flush()
    _, values = check_evidence(evidence(call(town, "GET", f"/v1/accounts/{text('u')}", proof="1")[1]), trusting(town))
    for key in values:
        less = {other: value for other, value in values.items() if other != key}
        with pytest.raises(Unproven):
            proven_account(ProvenView(less), 0, ADDRESS["u"])
    with pytest.raises(Unproven):
        next(ProvenView(values).range(b"C", b"D"))


def test_a_value_that_is_there_cannot_be_shown_as_absent() -> None:
    town = Town()
    town.run(town.issue("o1"))
    town.node.flush()
    told = evidence(call(town, "GET", f"/v1/accounts/{text('u')}", proof="1")[1])
    for number in range(len(told.records)):
        records = list(told.records)
        records[number] = msgspec.structs.replace(records[number], value=None)
        with pytest.raises(Malformed, match="absence"):
            check_evidence(msgspec.structs.replace(told, records=tuple(records)), trusting(town))


@pytest.mark.parametrize("blocks", [0, 1])
def test_an_absent_account_is_proven_absent(blocks: int) -> None:
    town = Town()
    if blocks:
        town.run(town.issue("o1"))
        town.node.flush()
    status, problem = call(town, "GET", f"/v1/accounts/{encode_address(STRANGER)}", proof="1")
    assert (status, problem["name"]) == (404, "ACCOUNT_UNKNOWN")
    _, values = check_evidence(evidence(problem), trusting(town))
    assert proven_account(ProvenView(values), 0, STRANGER) is None


def test_genesis_proves_its_own_state() -> None:
    """Height 0 has no certificate: its root is computed from the file."""
    town = Town()
    status, plain = call(town, "GET", f"/v1/accounts/{text('u')}", proof="1")
    assert status == 200 and plain["proof"]["certified"]["certificate"] is None
    header, _ = check_evidence(evidence(plain), trusting(town))
    assert header.height == 0 and header.state_root == town.node.chain.head.state_root
    with pytest.raises(Malformed, match="genesis"):
        check_evidence(evidence(plain), TrustedEpochs(town.genesis))
    lie = evidence(plain)
    other = msgspec.structs.replace(lie.certified.headers[0], state_root=bytes(32))
    with pytest.raises(Malformed, match="genesis"):
        certified = msgspec.structs.replace(lie.certified, headers=(other,))
        check_evidence(msgspec.structs.replace(lie, certified=certified), trusting(town))


def test_the_proof_waits_for_a_header_that_names_the_state() -> None:
    town = Town()
    town.run(town.issue("o1"))
    path = f"/v1/accounts/{text('u')}"
    status, problem = call(town, "GET", path, proof="1", timeout_ms="0")
    assert (status, problem["name"]) == (503, "NOT_READY")

    async def ask_then_flush() -> Any:
        asking = asyncio.create_task(ask(town, "GET", path, proof="1", timeout_ms="5000"))
        await asyncio.sleep(0)
        town.node.flush()
        return json.loads((await asking).body)

    header, _ = check_evidence(evidence(asyncio.run(ask_then_flush())), trusting(town))
    assert header.height == 2


def test_a_state_that_headers_passed_over_is_left_for_a_newer_one() -> None:
    """On a busy chain the state of the request is the second last before long; the proof is of one that is kept."""
    town = Town()
    town.run(town.issue("o1"))

    async def ask_while_busy() -> Any:
        path = f"/v1/accounts/{text('u')}"
        asking = asyncio.create_task(ask(town, "GET", path, proof="1", timeout_ms="5000"))
        for number in range(4):
            await asyncio.sleep(0)
            town.run(town.issue(f"busy{number}"))
        return json.loads((await asking).body)

    plain = asyncio.run(ask_while_busy())
    _, values = check_evidence(evidence(plain), trusting(town))
    assert proven_account(ProvenView(values), plain["time_s"], ADDRESS["u"])["spendable"] == plain["spendable"] > 0


def test_supply_follows_from_the_proven_records() -> None:
    town = Town()
    town.run(town.issue("o1"))
    town.node.flush()
    status, plain = call(town, "GET", "/v1/supply/proof")
    assert status == 200 and plain["supply"] == call(town, "GET", "/v1/supply")[1]
    _, values = check_evidence(evidence(plain), trusting(town))
    assert proven_supply(ProvenView(values), sorted(plain["supply"])) == plain["supply"]
    assert {key for key in values if key[:1] == b"C"} == {class_key(id) for id in plain["supply"]}


def test_history_proves_every_receipt() -> None:
    town = Town()
    for number in range(3):
        town.run(town.issue(f"o{number}"))
    path = f"/v1/accounts/{text('u')}/history"
    page = call(town, "GET", path, proof="1")[1]
    header, _ = check_evidence(evidence(page), trusting(town))
    assert header.exec_height == 2 and [item["height"] for item in page["items"]] == [2, 1], "the third is not covered"
    town.node.flush()
    page = call(town, "GET", path, proof="1", limit="200")[1]
    assert len(page["items"]) == 3 and page["next"] is None
    for item in page["items"]:
        proven = verify_receipt_proof(bytes.fromhex(item["proof"]), town.genesis)
        told = {key: value for key, value in item.items() if key not in ("kind", "time_ms", "proof")}
        assert receipt_to_plain(proven.receipt) == told and proven.time_ms == item["time_ms"]


def test_the_newest_certified_header_and_the_genesis_are_told() -> None:
    town = Town()
    town.run(town.issue("o1"))
    trusted = trusting(town)
    header, values = check_evidence(from_plain(StateEvidence, call(town, "GET", "/v1/certified")[1]), trusted)
    assert header.height == 1 and not values and trusted.newest is not None
    answer = asyncio.run(ask(town, "GET", "/v1/genesis"))
    assert load_genesis(answer.body) == town.genesis
    assert call(town, "GET", "/v1/handovers")[1] == {"epoch": 0, "handovers": []}


def test_a_page_ends_where_a_receipt_can_be_proven_no_more() -> None:
    """A node that has pruned: what stands under one root with pruned receipts is left out, the rest is proven."""
    town = Town()
    for number in range(4):
        town.run(town.issue(f"o{number}"))
    town.node.flush()
    path = f"/v1/accounts/{text('u')}/history"
    whole = call(town, "GET", path)[1]["items"]
    town.node.chain.raise_floor(3)
    page = call(town, "GET", path, proof="1")[1]
    assert [item["tx"] for item in page["items"]] == [item["tx"] for item in whole[:2]]
    for item in page["items"]:
        verify_receipt_proof(bytes.fromhex(item["proof"]), town.genesis)
    town.node.chain.raise_floor(4)
    page = call(town, "GET", path, proof="1")[1]
    assert [item["height"] for item in page["items"]] == [4] and page["next"] == "4.0"
