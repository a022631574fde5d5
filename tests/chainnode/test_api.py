"""Requests and answers without HTTP: submissions, outcomes, proofs, blocks, accounts, quotes."""

import asyncio
import json
from typing import Any

import msgspec
import pytest

from chainnode.backend import Admission
from chainnode.calls import Answer
from primitives.codec import Malformed
from primitives.codes import Code
from primitives.genesis import chain_id
from primitives.json_form import transaction_to_plain
from primitives.proof import verify_receipt_proof
from primitives.transaction import decode_transaction
from tests.chainnode.solo import Town, ask, call, text

MSGPACK = "application/msgpack"
JSON = "application/json"
BULK = "application/vnd.hnchain.bulk"


def post(town: Town, raw: bytes, media_type: str = MSGPACK, **query: str) -> tuple[int, Any]:
    return call(town, "POST", "/v1/transactions", raw, media_type, **query)


def test_a_submitted_transaction_answers_with_its_receipt_and_again_with_the_first() -> None:
    town = Town()
    raw = town.issue("o1")
    status, receipt = post(town, raw)
    assert (status, receipt["code"], receipt["number"], receipt["status"]) == (200, "OK", 0, "committed")
    assert (receipt["height"], receipt["index"]) == (1, 0)
    assert receipt["events"][0]["kind"] == "Issued"
    for _ in range(3):
        assert post(town, raw) == (200, receipt)
    assert town.node.engine.height == 1


def test_the_json_form_is_the_same_transaction() -> None:
    town = Town()
    raw = town.issue("o1")
    plain = transaction_to_plain(decode_transaction(raw).transaction)
    status, receipt = post(town, json.dumps(plain).encode(), JSON)
    assert status == 200
    assert receipt["tx"] == decode_transaction(raw).id.hex()
    assert post(town, raw) == (200, receipt)


def test_a_rejected_transaction_is_a_problem_that_holds_its_receipt() -> None:
    town = Town()
    raw = town.issue("o1", units=10**9)
    status, problem = post(town, raw)
    assert (status, problem["name"], problem["code"], problem["phase"]) == (
        409, "RESERVE_EXCEEDED", "HN-4006", "execution",
    )  # fmt: skip
    assert problem["receipt"]["status"] == "rejected" and problem["receipt"]["height"] == 1
    assert post(town, raw)[1]["receipt"] == problem["receipt"]


def test_an_idempotent_repetition_is_committed_and_names_the_first() -> None:
    town = Town()
    first = post(town, town.issue("o1"))[1]
    status, again = post(town, town.issue("o1"))
    assert (status, again["code"], again["status"]) == (200, "OK_DUPLICATE", "committed")
    assert again["first"] == {"tx": first["tx"], "height": 1, "index": 0}


def test_refused_before_any_block() -> None:
    town = Town()
    raw = bytearray(town.issue("o1"))
    raw[-1] ^= 1
    status, problem = post(town, bytes(raw))
    assert (status, problem["name"], problem["phase"], problem["receipt"]) == (409, "BAD_SIGNATURE", "admission", None)
    status, problem = post(town, town.sign("A", decode_transaction(town.issue("x")).transaction.envelope.body, 5))
    assert (status, problem["name"]) == (409, "EXPIRED_TX")
    town.node.refuse = Admission(Code.POOL_FULL, "full")
    assert post(town, town.issue("o2"))[0] == 429
    assert town.node.engine.height == 0


@pytest.mark.parametrize(
    ("raw", "media_type", "status", "name"),
    [
        (b"", MSGPACK, 400, "DECODE"),
        (b"\x93", MSGPACK, 400, "DECODE"),
        (b"\x91" * 60_000, MSGPACK, 400, "DECODE"),
        (b"\x00" * 70_000, MSGPACK, 413, "TOO_LARGE"),
        (b"{}", JSON, 400, "DECODE"),
        (b"[]", JSON, 400, "DECODE"),
        (b"null", JSON, 400, "DECODE"),
        (b'{"a": 1, "a": 1}', JSON, 400, "DECODE"),
        (b"[" * 100_000, JSON, 400, "DECODE"),
        (b"\xef\xbb\xbf{}", JSON, 400, "DECODE"),
        (b"{}", "text/plain", 415, "BAD_REQUEST"),
        (b"", "", 415, "BAD_REQUEST"),
        (b"", BULK, 400, "DECODE"),
        (b"\x90", BULK, 400, "DECODE"),
        (b"\x91\xc0", BULK, 400, "DECODE"),
    ],
)
def test_malformed_bodies_answer_with_a_code(raw: bytes, media_type: str, status: int, name: str) -> None:
    town = Town()
    found, problem = post(town, raw, media_type)
    assert (found, problem["name"]) == (status, name)
    assert town.node.engine.height == 0


@pytest.mark.parametrize("units", ["-1", "1.0", '"01"', "18446744073709551616", '"1e3"', "true", "null", "1e400", '""'])
def test_an_amount_off_the_grammar_is_bad_amount_at_the_edge(units: str) -> None:
    town = Town()
    plain = transaction_to_plain(decode_transaction(town.issue("o1")).transaction)
    body = json.dumps(plain).replace('"units": 10000', f'"units": {units}')
    status, problem = post(town, body.encode(), JSON)
    assert (status, problem["name"]) == (400, "BAD_AMOUNT")


@pytest.mark.parametrize("flip", range(0, 300, 7))
def test_no_changed_byte_is_a_server_error(flip: int) -> None:
    town = Town()
    raw = bytearray(town.redeem("b1", 100))
    raw[flip % len(raw)] ^= 0x55
    assert post(town, bytes(raw))[0] in (400, 409)


def test_admitted_then_pending_then_committed() -> None:
    town = Town()
    town.node.paused = True
    raw = town.issue("o1")
    identity = decode_transaction(raw).id.hex()
    assert post(town, raw, wait="admitted") == (202, {"id": identity, "status": "pending"})
    path = f"/v1/transactions/{identity}"
    assert call(town, "GET", path)[1] == {"id": identity, "status": "pending", "receipt": None}
    town.node.commit_pool()
    assert call(town, "GET", path)[1]["status"] == "committed"
    unknown = "ab" * 32
    assert call(town, "GET", f"/v1/transactions/{unknown}")[1]["status"] == "unknown"
    assert call(town, "GET", f"/v1/transactions/{unknown}", valid_until="7")[1]["status"] == "expired"


def test_no_receipt_in_time_is_an_unknown_outcome_with_the_id() -> None:
    town = Town()
    town.node.paused = True
    raw = town.issue("o1")
    status, problem = post(town, raw, timeout_ms="10")
    assert (status, problem["name"], problem["id"]) == (504, "OUTCOME_UNKNOWN", decode_transaction(raw).id.hex())
    assert not town.node.commits.waiting


def test_a_waiting_request_is_woken_by_its_block() -> None:
    town = Town()
    town.node.paused = True

    async def submit_then_commit() -> Answer:
        waiting = asyncio.create_task(ask(town, "POST", "/v1/transactions", town.issue("o1"), MSGPACK))
        await town.node.pooled.wait()
        town.node.commit_pool()
        return await waiting

    answer = asyncio.run(submit_then_commit())
    assert answer.status == 200 and json.loads(answer.body)["code"] == "OK"


@pytest.mark.parametrize("bulk", [False, True])
def test_who_waits_at_a_node_that_loses_its_seat_is_told_at_once(bulk: bool) -> None:
    town = Town()
    town.node.paused = True
    raw = town.issue("o1")
    body = msgspec.msgpack.encode([raw]) if bulk else raw

    async def submit_then_lose() -> Answer:
        waiting = asyncio.create_task(ask(town, "POST", "/v1/transactions", body, BULK if bulk else MSGPACK))
        await town.node.pooled.wait()
        town.node.role = "observer"
        town.node.commits.give_up()
        async with asyncio.timeout(5):
            return await waiting

    answer = asyncio.run(submit_then_lose())
    if bulk:
        assert json.loads(answer.body)[0]["status"] == "pending"
    else:
        found = json.loads(answer.body)
        assert (answer.status, found["name"]) == (504, "OUTCOME_UNKNOWN") and "lost its seat" in found["detail"], found


def test_a_bulk_answers_line_by_line() -> None:
    town = Town()
    good, broken, poor = town.issue("o1"), b"\x01", town.issue("o2", units=10**9)
    forged = bytearray(town.issue("o3"))
    forged[-1] ^= 1
    body = msgspec.msgpack.encode([good, broken, poor, bytes(forged), good])
    status, lines = post(town, body, BULK)
    assert status == 200
    assert [line["code"] for line in lines] == ["OK", "DECODE", "RESERVE_EXCEEDED", "BAD_SIGNATURE", "OK"]
    assert [line["status"] for line in lines] == ["committed", "refused", "rejected", "refused", "committed"]
    assert (lines[0]["height"], lines[2]["index"]) == (1, 1)
    assert not town.node.commits.waiting


def test_the_proof_verifies_with_the_genesis_alone() -> None:
    town = Town()
    town.run(town.issue("o1"))
    redeemed = town.run(town.redeem("b1", 3000))
    town.node.flush()
    answer = asyncio.run(ask(town, "GET", f"/v1/transactions/{redeemed.hex()}/proof"))
    assert answer.status == 200 and answer.media_type == "application/octet-stream"
    proven = verify_receipt_proof(answer.body, town.genesis)
    assert proven.receipt.tx == redeemed and proven.receipt.code == Code.OK
    assert (proven.receipt.height, proven.certified_height) == (2, 3)
    changed = bytearray(answer.body)
    changed[len(changed) // 2] ^= 1
    with pytest.raises(Malformed):
        verify_receipt_proof(bytes(changed), town.genesis)
    status, plain = call(town, "GET", f"/v1/transactions/{redeemed.hex()}/proof", form="json")
    assert status == 200 and plain["receipt"]["tx"] == redeemed.hex() and plain["headers"][-1]["height"] == 3


def test_a_proof_waits_for_the_covering_header() -> None:
    town = Town()
    issued = town.run(town.issue("o1"))
    path = f"/v1/transactions/{issued.hex()}/proof"
    status, problem = call(town, "GET", path, timeout_ms="0")
    assert (status, problem["name"]) == (503, "NOT_READY")

    async def ask_then_flush() -> Answer:
        waiting = asyncio.create_task(ask(town, "GET", path))
        await asyncio.sleep(0)
        town.node.flush()
        return await waiting

    assert verify_receipt_proof(asyncio.run(ask_then_flush()).body, town.genesis).receipt.tx == issued
    assert call(town, "GET", f"/v1/transactions/{'ab' * 32}/proof")[0] == 404


def test_blocks_headers_certificates() -> None:
    town = Town()
    identity = town.run(town.issue("o1"))
    town.node.flush()
    status, block = call(town, "GET", "/v1/blocks/1")
    assert status == 200 and block["count"] == 1 and block["certified"]
    assert block["transactions"] == [{"index": 0, "id": identity.hex(), "code": "OK"}]
    latest = call(town, "GET", "/v1/blocks/latest")[1]
    assert latest["header"]["height"] == 2 and latest["header"]["parent"] == block["hash"]
    headers = call(town, "GET", "/v1/headers", start="1", limit="1")[1]
    assert headers["head"] == 2 and [item["hash"] for item in headers["headers"]] == [block["hash"]]
    certificate = call(town, "GET", "/v1/blocks/1/certificate")[1]
    assert certificate["certificate"]["digest"] == block["hash"] and certificate["signers"] == ["validator"]
    assert call(town, "GET", "/v1/blocks/3")[0] == 404
    assert call(town, "GET", "/v1/blocks/0/certificate")[0] == 404
    for bad in ("-1", "x", "1.0", "٣", "99999999999999999999999", "%00", "..%2f.."):
        assert call(town, "GET", f"/v1/blocks/{bad}")[0] == 400, bad


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/v1/headers", {"limit": "1000000000"}), ("/v1/headers", {"limit": "-1"}), ("/v1/headers", {"start": "-1"}),
        ("/v1/headers", {"offset": "1"}), ("/v1/blocks/latest", {"limit": "x"}),
        ("/v1/blocks/latest", {"offset": "-1"}),
        (f"/v1/transactions/{'ab' * 32}", {"timeout_ms": "999999"}), ("/v1/transactions/zz", {}),
        ("/v1/accounts/hn1qqq", {}), ("/v1/holds/00", {}), ("/v1/classes/" + "x" * 65, {}), ("/v1/classes/%20", {}),
    ],
)  # fmt: skip
def test_bad_parameters_answer_400(path: str, query: dict[str, str]) -> None:
    assert call(Town(), "GET", path, **query)[0] == 400


def test_accounts_merchants_orders() -> None:
    town = Town()
    town.run(town.issue("o1"))
    town.run(town.redeem("b1", 3000))
    status, account = call(town, "GET", f"/v1/accounts/{text('u')}")
    assert (status, account["spendable"], account["by_class"]["hA"]["spendable"]) == (200, 7000, 7000)
    lots = call(town, "GET", f"/v1/accounts/{text('u')}/lots")[1]["items"]
    assert [(lot["class"], lot["units"]) for lot in lots] == [("hA", 7000)]
    expiring = call(town, "GET", f"/v1/accounts/{text('u')}/expiring")[1]["items"]
    assert [(row["expires_at"], row["class"], row["units"]) for row in expiring] == [(lots[0]["expires"], "hA", 7000)]
    exposure = call(town, "GET", f"/v1/merchants/{text('A')}/exposure")[1]
    assert (exposure["outstanding"], exposure["payable"], exposure["cap"]) == (7000, 3000, 1_000_000)
    order = call(town, "GET", f"/v1/orders/{text('B')}/b1")[1]
    assert (order["kind"], order["value"], order["payer"]) == ("redeem", 3000, text("u"))
    obligations = call(town, "GET", "/v1/obligations")[1]
    assert obligations[f"{text('A')}->{text('B')}"] == 29_850_000
    assert call(town, "GET", "/v1/windows/1")[1]["state"] == "OPEN"
    assert [item["id"] for item in call(town, "GET", "/v1/windows")[1]["items"]] == [1]
    assert {item["id"] for item in call(town, "GET", "/v1/merchants")[1]["items"]} == {text(m) for m in "ABCD"}
    assert call(town, "GET", "/v1/classes/hA")[1]["outstanding"] == 7000
    assert len(call(town, "GET", "/v1/classes")[1]["items"]) == 4
    for path in ("/v1/orders/" + text("B") + "/none", "/v1/windows/9", "/v1/holds/" + "ab" * 32,
                 "/v1/classes/none", "/v1/merchants/" + text("u"), "/v1/windows/18446744073709551615"):  # fmt: skip
        assert call(town, "GET", path)[0] == 404, path


def test_history_goes_back_page_by_page() -> None:
    town = Town()
    for number in range(5):
        town.run(town.issue(f"o{number}"))
        town.run(town.issue(f"v{number}", to="v"))
    path = f"/v1/accounts/{text('u')}/history"
    page = call(town, "GET", path, limit="2")[1]
    assert [item["height"] for item in page["items"]] == [9, 7] and page["items"][0]["kind"] == "Issued"
    page = call(town, "GET", path, limit="2", cursor=page["next"])[1]
    assert [item["height"] for item in page["items"]] == [5, 3]
    page = call(town, "GET", path, limit="2", cursor=page["next"])[1]
    assert [item["height"] for item in page["items"]] == [1] and page["next"] is None
    assert call(town, "GET", path, cursor="x")[0] == 400


def test_quotes_are_what_the_rule_then_does() -> None:
    town = Town()
    town.run(town.issue("o1"))
    ask_redeem = {"account": text("u"), "merchant": text("B"), "value": 3000}
    status, quote = call(town, "POST", "/v1/quotes/redeem", json.dumps(ask_redeem).encode(), JSON)
    assert status == 200 and quote["fee"] == 150_000 and quote["legs"][0]["units"] == 3000
    ask_exchange = {"account": text("u"), "class": "hA", "units": "1000", "to_class": "hB"}
    status, quote = call(town, "POST", "/v1/quotes/exchange", json.dumps(ask_exchange).encode(), JSON)
    assert (status, quote["out"], quote["fee"]) == (200, 990, 100_000)
    ask_redeem["value"] = 99_999
    status, problem = call(town, "POST", "/v1/quotes/redeem", json.dumps(ask_redeem).encode(), JSON)
    assert (status, problem["name"]) == (409, "INSUFFICIENT")
    assert call(town, "POST", "/v1/quotes/redeem", b"{}", JSON)[0] == 400
    assert call(town, "POST", "/v1/quotes/redeem", json.dumps(ask_redeem).encode(), "text/plain")[0] == 415
    assert town.node.engine.height == 1


def test_status_params_validators_health() -> None:
    town = Town()
    status = call(town, "GET", "/v1/status")[1]
    assert status["height"] == 0 and status["chain_id"] == chain_id(town.genesis).hex() and status["test_clock"]
    assert call(town, "GET", "/v1/params")[1]["parameters"]["fee_bps"] == 50
    validators = call(town, "GET", "/v1/validators")[1]
    assert (validators["epoch"], validators["quorum"], validators["pending"]) == (0, 1, [])
    assert validators["members"][0]["leader"] is True and validators["members"][0]["order"] == 0
    assert call(town, "GET", "/health")[0] == 200
    town.node.ready = False
    assert call(town, "GET", "/health") == (503, {"status": "not ready", "height": 0, "reason": "catching up"})
