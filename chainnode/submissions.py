"""Transactions through the edge: submit, wait for the receipt, ask for the outcome, fetch the proof."""

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from typing import Annotated, Any, Final, Literal

import msgspec

from chainnode.backend import Admission, NodeBackend
from chainnode.calls import BINARY, JSON, Answer, Call, Query, json_answer, not_found, read_digest
from chainnode.commit_feed import Expectation, Outcome
from chainnode.courtesy import cost_of
from chainnode.json_text import parse_json
from chainnode.personal_data import tells_a_person
from chainnode.problem import Refused, status_for
from chainnode.proofs import build_receipt_proof, decode_receipt, find_receipt, raw_transaction
from ledger.chain import Chain
from primitives.codec import Malformed, encode
from primitives.codes import Code, code_text
from primitives.json_form import BadAmount, to_plain, transaction_from_plain, transaction_to_plain
from primitives.light_client import EPOCHS_MAX
from primitives.proof import ReceiptProof, encode_proof
from primitives.receipt import Receipt, status_of
from primitives.receipt_form import receipt_to_plain
from primitives.transaction import TRANSACTION_BYTES_MAX, VALIDITY_SECONDS_MAX, Decoded, decode_transaction

MSGPACK: Final = "application/msgpack"
BULK: Final = "application/vnd.hnchain.bulk"
BULK_TRANSACTIONS_MAX: Final = 2048
SMALL_BULK_BYTES: Final = 16 * 1024
TIMEOUT_MS: Final = 10_000
TIMEOUT_MS_MAX: Final = 25_000  # below the request deadline of the listener, so that the answer is ours

Timeout = Annotated[int, msgspec.Meta(ge=0, le=TIMEOUT_MS_MAX)]
_BULK: Final = msgspec.msgpack.Decoder(list[bytes], strict=True)


class SubmitQuery(Query, frozen=True):
    wait: Literal["committed", "admitted"] = "committed"
    timeout_ms: Timeout = TIMEOUT_MS


class OutcomeQuery(Query, frozen=True):
    """`valid_until` of the transaction, if known: lets a node that never saw it say `expired`, which is final."""

    timeout_ms: Timeout = 0
    valid_until: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = 0


class ProofQuery(Query, frozen=True):
    """`epoch`: leave out the handovers before it, the reader knows its members."""

    form: Literal["binary", "json"] = "binary"
    timeout_ms: Timeout = 5_000
    epoch: Annotated[int, msgspec.Meta(ge=0, le=EPOCHS_MAX)] = 0


def _as_receipt(outcome: Outcome) -> Receipt:
    return outcome if isinstance(outcome, Receipt) else decode_receipt(outcome)


def read_transaction(call: Call) -> Decoded:
    """The transaction of the body, in either form. Raises: Refused, always with a code and a status of 4xx."""
    try:
        if call.media_type == MSGPACK:
            if len(call.body) > TRANSACTION_BYTES_MAX:
                raise Refused(Code.TOO_LARGE, f"{len(call.body)} bytes, limit {TRANSACTION_BYTES_MAX}", "limits")
            return without_personal_data(decode_transaction(call.body))
        if call.media_type == JSON:
            return without_personal_data(decode_transaction(encode(transaction_from_plain(parse_json(call.body)))))
    except BadAmount as error:
        raise Refused(Code.BAD_AMOUNT, str(error), status=400) from error
    except Malformed as error:
        raise Refused(Code.DECODE, str(error)) from error
    except OverflowError as error:  # an integer that JSON can write and the canonical form cannot
        raise Refused(Code.DECODE, f"a number is out of range: {error}") from error
    raise Refused(
        Code.BAD_REQUEST, f"content-type {call.media_type[:80]!r}, expected {MSGPACK}, {JSON} or {BULK}", status=415
    )


def without_personal_data(decoded: Decoded) -> Decoded:
    """The same transaction. Raises: Refused where a text of it names a person: what is on the chain stays for ever."""
    if tells_a_person(decoded.transaction.envelope.body):
        extra = {"id": decoded.id.hex(), "receipt": None}
        raise Refused(Code.MEMO_PII, "a mobile or identity-card number in a memo or reason", "admission", extra=extra)
    return decoded


def receipt_answer(receipt: Receipt) -> Answer:
    """200 with the receipt; a rejected one is a problem (409) that holds it.

    Raises: Refused for a rejected one.
    """
    plain = receipt_to_plain(receipt)
    if status_of(receipt.code) == "rejected":
        raise rejection(receipt.code, receipt.detail, {"id": plain["tx"], "receipt": plain})
    return json_answer(plain)


def rejection(number: int, detail: str, extra: dict[str, Any]) -> Refused:
    """The problem of a rejected receipt."""
    try:
        code = Code(number)
    except ValueError:  # written by a newer release: its number still tells
        return Refused(Code.NOT_READY, f"code {code_text(number)}: {detail}", "execution", 409, extra=extra)
    return Refused(code, detail, "execution", 409, extra=extra)


def _expired_for_good(chain: Chain, valid_until: int) -> bool:
    """Whether no block holds it or can: block times only rise, and a block at t needs t <= valid_until <= t + 600 s
    (D1). Not known where a block that is pruned may have held it."""
    header, lowest = chain.header(chain.head.height), chain.header(chain.floor)
    if header is None or lowest is None:
        return False
    kept = chain.floor == 0 or lowest.time_ms // 1000 <= valid_until - VALIDITY_SECONDS_MAX
    return kept and header.time_ms // 1000 > valid_until


async def post_transactions(backend: NodeBackend, call: Call) -> Answer:
    """200 receipt, 202 admitted, 409 refused by the rules, 400, 413, 429, 503, 504 outcome unknown."""
    if call.media_type == BULK:
        return await _post_bulk(backend, call)
    decoded = read_transaction(call)
    query: SubmitQuery = call.query
    with backend.commits.expect((decoded.id,)) as expectation:
        admission = (await backend.submit((decoded,)))[0]
        known = _settle_known(backend, decoded, admission, expectation)
        if admission.code is not Code.OK and not known:
            extra, after = {"id": decoded.id.hex(), "receipt": None}, retry_after(admission.retry_ms)
            raise Refused(admission.code, admission.detail, "admission", headers=after, extra=extra)
        if query.wait == "admitted" and not expectation.found:
            return json_answer({"id": decoded.id.hex(), "status": "pending"}, 202)
        found = await expectation.wait(query.timeout_ms)
    if decoded.id in found:
        return receipt_answer(_as_receipt(found[decoded.id]))
    raise _no_outcome(backend, decoded, query.timeout_ms)


def retry_after(retry_ms: int) -> dict[str, str]:
    """The header that says when there may be room; none where waiting does not help."""
    return {"Retry-After": str(-(-retry_ms // 1000))} if retry_ms else {}


def _settle_known(
    backend: NodeBackend, decoded: Decoded, admission: Admission, expectation: Expectation
) -> bool:
    """Whether a refused id is already here: executed (then its first receipt is found, R05) or still on its way."""
    if admission.code is Code.OK or decoded.id in expectation.found:
        return True
    if admission.retry_ms:  # what the ledger has is never refused for lack of room
        return False
    receipt = backend.chain.receipt(decoded.id)
    if receipt is not None:
        expectation.settle(decoded.id, receipt)
        return True
    return admission.code is Code.DUPLICATE_TX and backend.pending_state(decoded.id) == "pending"


def _no_outcome(backend: NodeBackend, decoded: Decoded, timeout_ms: int) -> Refused:
    extra = {"id": decoded.id.hex(), "receipt": None}
    valid_until = decoded.transaction.envelope.valid_until
    if _expired_for_good(backend.chain, valid_until) and find_receipt(backend.chain, decoded.id) is None:
        detail = f"no block up to its valid_until {valid_until} holds it, and none will"
        return Refused(Code.EXPIRED_TX, detail, "execution", 409, extra=extra)
    detail = f"no receipt within {timeout_ms} ms"
    if backend.status().role == "observer":
        detail = "this node lost its seat before the receipt; ask another node for this id, then send it there again"
    return Refused(Code.OUTCOME_UNKNOWN, detail, "execution", extra=extra)


def _read_bulk(body: bytes) -> list[Decoded | Refused]:
    try:
        raws = _BULK.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Refused(Code.DECODE, f"the bulk is no array of transactions: {error}") from error
    if not 1 <= len(raws) <= BULK_TRANSACTIONS_MAX:
        raise Refused(Code.DECODE, f"{len(raws)} transactions, expected 1 to {BULK_TRANSACTIONS_MAX}")
    found: list[Decoded | Refused] = []
    for raw in raws:
        try:
            found.append(without_personal_data(decode_transaction(raw)))
        except Malformed as error:
            found.append(Refused(Code.DECODE, str(error)))
        except Refused as refused:
            found.append(refused)
    return found


async def _post_bulk(backend: NodeBackend, call: Call) -> Answer:
    """One line per transaction in order; always 200 (202 with wait=admitted), each line has its own code. Retry-After
    where some were refused for lack of room."""
    query: SubmitQuery = call.query
    with ExitStack() as stack:
        # decoded they take ten times their bytes: a few large bulks at a time, and no small one waits for them
        async with backend.decoding if len(call.body) > SMALL_BULK_BYTES else nullcontext():
            items = _read_bulk(call.body)
            decoded = [item for item in items if isinstance(item, Decoded)]
            expectation = stack.enter_context(backend.commits.expect(item.id for item in decoded))
            refused: dict[bytes, Admission] = {}
            for item, admission in zip(decoded, await backend.submit(decoded), strict=True):
                if not _settle_known(backend, item, admission, expectation):
                    refused[item.id] = admission
                    expectation.settle(item.id, None)
            named = [item.id if isinstance(item, Decoded) else item for item in items]
            del items, decoded
        if query.wait == "committed":
            await expectation.wait(query.timeout_ms)
        lines = [_bulk_line(one, expectation, refused) for one in named]
    after = retry_after(max((admission.retry_ms for admission in refused.values()), default=0))
    codes = [*(one.code for one in named if isinstance(one, Refused)), *(found.code for found in refused.values())]
    return json_answer(lines, 202 if query.wait == "admitted" else 200, after, sum(map(cost_of, codes)))


def _bulk_line(one: bytes | Refused, expectation: Expectation, refused: dict[bytes, Admission]) -> dict[str, Any]:
    """id, status (committed, rejected, refused, pending), code, number, detail, height, index."""
    if isinstance(one, Refused):
        return _line(None, "refused", one.code.name, int(one.code), one.detail)
    if one in expectation.found:
        receipt = _as_receipt(expectation.found[one])
        name = Code(receipt.code).name
        line = _line(one, status_of(receipt.code), name, receipt.code, receipt.detail)
        return line | {"height": receipt.height, "index": receipt.index}
    if one in refused:
        admission = refused[one]
        return _line(one, "refused", admission.code.name, int(admission.code), admission.detail)
    return _line(one, "pending", None, None, "")


def _line(id: bytes | None, status: str, code: str | None, number: int | None, detail: str) -> dict[str, Any]:
    identity = None if id is None else id.hex()
    return {"id": identity, "status": status, "code": code, "number": number, "detail": detail,
            "height": None, "index": None}  # fmt: skip


def outcome_plain(backend: NodeBackend, transaction_id: bytes, valid_until: int) -> dict[str, Any]:
    """{"id", "status", "receipt"}; expired is final, pending and unknown are not. `floor` beside unknown: it may have
    been executed below that height, where history is not kept here."""
    receipt = find_receipt(backend.chain, transaction_id)
    if receipt is not None:
        status: str = status_of(receipt.code)
    elif valid_until and _expired_for_good(backend.chain, valid_until):
        status = "expired"
    else:
        status = backend.pending_state(transaction_id)
    plain = None if receipt is None else receipt_to_plain(receipt)
    found = {"id": transaction_id.hex(), "status": status, "receipt": plain}
    return found | {"floor": backend.chain.floor} if status == "unknown" and backend.chain.floor else found


async def get_transaction(backend: NodeBackend, call: Call) -> Answer:
    """The outcome now, or within timeout_ms."""
    transaction_id = read_digest(call.path["id"], "id")
    query: OutcomeQuery = call.query
    with backend.commits.expect((transaction_id,)) as expectation:
        plain = outcome_plain(backend, transaction_id, query.valid_until)
        if plain["receipt"] is None and query.timeout_ms:
            await expectation.wait(query.timeout_ms)
            plain = outcome_plain(backend, transaction_id, query.valid_until)
    return json_answer(plain)


async def get_transaction_body(backend: NodeBackend, call: Call) -> Answer:
    """The transaction as it was signed, in its JSON form."""
    place = backend.chain.place(read_digest(call.path["id"], "id"))
    if place is None:
        raise not_found("no executed transaction has this id")
    return json_answer(transaction_to_plain(decode_transaction(raw_transaction(backend.chain, place)).transaction))


def proof_to_plain(proof: ReceiptProof) -> dict[str, Any]:
    """For reading; what verifies is the binary form."""
    return {
        "format": proof.format,
        "handovers": [to_plain(handover) for handover in proof.handovers],
        "transaction": transaction_to_plain(decode_transaction(proof.transaction).transaction),
        "receipt": receipt_to_plain(proof.receipt),
        "index": proof.index,
        "count": proof.count,
        "path": [digest.hex() for digest in proof.path],
        "headers": [to_plain(header) for header in proof.headers],
        "certificate": to_plain(proof.certificate),
    }


async def wait_for_proof(
    backend: NodeBackend, transaction_id: bytes, timeout_ms: int, epoch: int = 0
) -> ReceiptProof:
    """The proof as soon as a certified header covers the receipt (C4); see build_receipt_proof for `epoch`.

    Raises: Refused: NOT_FOUND for an id without a receipt, NOT_READY if no header covers it in time.
    """
    if backend.chain.place(transaction_id) is None:
        raise not_found("no executed transaction has this id")
    try:
        async with asyncio.timeout(timeout_ms / 1000):
            while True:
                height = backend.commits.height
                proof = build_receipt_proof(backend.chain, transaction_id, epoch)
                if proof is not None:
                    return proof
                await backend.commits.height_above(height)
    except TimeoutError:
        pass
    raise Refused(Code.NOT_READY, f"no certified header covers the receipt after {timeout_ms} ms", "query")


async def get_proof(backend: NodeBackend, call: Call) -> Answer:
    """The proof file as octets, or its JSON for reading."""
    query: ProofQuery = call.query
    proof = await wait_for_proof(backend, read_digest(call.path["id"], "id"), query.timeout_ms, query.epoch)
    if query.form == "json":
        return json_answer(proof_to_plain(proof))
    name = f'attachment; filename="{proof.receipt.tx.hex()[:16]}.hnproof"'
    return Answer(200, encode_proof(proof), BINARY, {"Content-Disposition": name})


def exact_block_plain(admissions: Sequence[Admission], receipts: Sequence[Receipt | None]) -> list[dict[str, Any]]:
    """One line per transaction of an exact block: its receipt, or why it was refused alone."""
    return [
        {
            "code": admission.code.name if receipt is None else Code(receipt.code).name,
            "number": int(admission.code) if receipt is None else receipt.code,
            "status": "refused" if receipt is None else status_of(receipt.code),
            "http_status": status_for(admission.code),
            "detail": admission.detail if receipt is None else receipt.detail,
            "receipt": None if receipt is None else receipt_to_plain(receipt),
        }
        for admission, receipt in zip(admissions, receipts, strict=True)
    ]
