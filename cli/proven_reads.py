"""What a wallet reads from a node and proves: accounts, supply, history, receipts. Each read asks one node."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from chainnode.proven_account import (
    CLASS_PREFIX,
    ProvenView,
    proven_account,
    proven_expiring,
    proven_supply,
)
from cli.client import Answer
from cli.outsider import Lie, Outsider, Reading, Unproven
from primitives.address import encode_address
from primitives.codec import U64_MAX, Malformed
from primitives.keys import Address
from primitives.proof import ProvenReceipt, verify_receipt_proof
from primitives.receipt import status_of
from primitives.receipt_form import receipt_to_plain

Plain = Any
NO_ACCOUNT: Final = "no account"
PROOF_MEMBER: Final = "proof"
_ADDED: Final = ("kind", "time_ms", PROOF_MEMBER)  # what an item of a history has beside its receipt


@dataclass(frozen=True, slots=True)
class Balance:
    """`plain` as of the wallet's own `time_s`, None: there is no such account. `expiring` in the form of its route."""

    plain: Plain
    expiring: list[Plain]


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Proven items, newest first, `plain` as the API gives them. Complete down from `top` to `next` as far as this node
    tells: a missing one shows only against another node's page."""

    items: dict[tuple[int, int], Plain]
    top: int
    next: tuple[int, int] | None


def read_balance(outsider: Outsider, node: str, address: Address) -> Reading[Balance]:
    """Raises: Lie, Malformed, Unproven, NoAnswer, NotSent."""
    query = urlencode({"proof": 1, "epoch": outsider.trusted.epoch})
    answer = outsider.ask(node, f"/v1/accounts/{encode_address(address)}?{query}")
    body = _proven_body(answer, (200, 404))
    header, values = outsider.check(node, body.pop(PROOF_MEMBER))
    view = ProvenView(values)
    if answer.status == 404:
        found = proven_account(view, outsider.now_s(header), address)
        if found is not None:
            raise Lie(NO_ACCOUNT, f"spendable {found['spendable']}")
        return Reading(node, header, Balance(None, []))
    told_s = body.get("time_s")
    if not isinstance(told_s, int) or isinstance(told_s, bool) or not 0 <= told_s <= U64_MAX:
        raise Malformed(f"time_s: {str(told_s)[:40]}")
    proven = proven_account(view, told_s, address)
    _compare(body, None if proven is None else {**proven, "time_s": told_s})
    own_s = outsider.now_s(header)
    plain = {**proven_account(view, own_s, address), "time_s": own_s}
    return Reading(node, header, Balance(plain, proven_expiring(view, own_s, address)))


def read_supply(outsider: Outsider, node: str) -> Reading[dict[str, Plain]]:
    """Counters of every class that this node names. Raises: as read_balance."""
    query = urlencode({"epoch": outsider.trusted.epoch})
    body = _proven_body(outsider.ask(node, f"/v1/supply/proof?{query}"), (200,))
    header, values = outsider.check(node, body[PROOF_MEMBER])
    told = body.get("supply")
    named = [key[1:].decode("utf-8", "replace") for key in values if key[:1] == CLASS_PREFIX]
    if not isinstance(told, dict) or sorted(told) != sorted(named):
        raise Malformed("the supply and its proof are of different classes")
    proven = proven_supply(ProvenView(values), sorted(named))
    for class_id, counters in proven.items():
        _compare(told[class_id], counters, f"{class_id}.")
    return Reading(node, header, proven)


def read_history(outsider: Outsider, node: str, address: Address, cursor: str | None) -> Reading[HistoryPage]:
    """A page of receipts that name the account, each proven. Raises: as read_balance."""
    query = {"proof": 1, "epoch": outsider.trusted.epoch} | ({"cursor": cursor} if cursor else {})
    target = f"/v1/accounts/{encode_address(address)}/history?{urlencode(query)}"
    body = _proven_body(outsider.ask(node, target), (200,))
    header, _ = outsider.check(node, body[PROOF_MEMBER])
    outsider.learn_epochs(node)  # the receipts are of any epoch
    told = body.get("items")
    if not isinstance(told, list) or not all(isinstance(item, dict) for item in told):
        raise Malformed("a history without items")
    items: dict[tuple[int, int], Plain] = {}
    place = _place(cursor) if cursor else (header.exec_height + 1, 0)
    for item in told:
        proven = _proven_item(outsider, item)
        receipt = proven.receipt
        if not any(Address(who) == address for event in receipt.events for _, who in event.accounts):
            raise Lie(f"receipt {receipt.tx.hex()[:16]} in this account's history", "it names other accounts only")
        if not (receipt.height, receipt.index) < place:
            raise Malformed(f"receipt {receipt.height}.{receipt.index} stands below {place[0]}.{place[1]}")
        place = (receipt.height, receipt.index)
        items[place] = {key: value for key, value in item.items() if key != PROOF_MEMBER}
    rest = body.get("next")
    if rest is not None and not isinstance(rest, str):
        raise Malformed(f"next: {str(rest)[:40]}")
    bottom = None if rest is None else _place(rest)
    if bottom is not None and (bottom > place or (bottom == place and not items)):
        raise Malformed(f"next {rest} is not below the page")
    return Reading(node, header, HistoryPage(items, header.exec_height, bottom))


def _proven_item(outsider: Outsider, item: Plain) -> ProvenReceipt:
    """The item's receipt, where it says what its proof says."""
    raw = item.get(PROOF_MEMBER)
    if not isinstance(raw, str):
        raise Malformed(f"receipt {str(item.get('tx'))[:16]} comes without a proof")
    try:
        file = bytes.fromhex(raw)
    except ValueError as error:
        raise Malformed(f"proof: {error}") from error
    proven = verify_receipt_proof(file, outsider.genesis, outsider.trusted)
    receipt = proven.receipt
    kind = receipt.events[0].kind if receipt.events else ""
    said = {key: value for key, value in item.items() if key != PROOF_MEMBER}
    _compare(said, {**receipt_to_plain(receipt), "kind": kind, "time_ms": proven.time_ms})
    return proven


def read_receipt(outsider: Outsider, node: str, tx: str) -> Reading[tuple[bytes, ProvenReceipt]]:
    """The proof file of a transaction and what it proves. Raises: as read_balance; Unproven if it knows none."""
    answer = outsider.ask(node, f"/v1/transactions/{tx}/proof", "application/octet-stream, application/msgpack, */*")
    if answer.status == 404:
        raise Unproven(f"no executed transaction has the id {tx[:16]}")
    if answer.status != 200:
        raise Malformed(f"HTTP {answer.status}")
    proven = verify_receipt_proof(answer.raw, outsider.genesis, outsider.trusted)
    if proven.receipt.tx.hex() != tx:
        raise Lie(f"this proves transaction {tx[:16]}", f"transaction {proven.receipt.tx.hex()[:16]}")
    newest = outsider.trusted.newest
    assert newest is not None, "a certificate was checked"
    return Reading(node, newest.headers[0], (answer.raw, proven))


def read_outcome(outsider: Outsider, node: str, tx: str, valid_until: int | None) -> Reading[Plain]:
    """What became of a transaction, in the form of its route, where it has a receipt. Raises: as read_balance;
    Unproven while there is none: that nothing happened cannot be proven."""
    query = "" if valid_until is None else f"?{urlencode({'valid_until': valid_until})}"
    answer = outsider.ask(node, f"/v1/transactions/{tx}{query}")
    body = answer.body
    if answer.status != 200 or not isinstance(body, dict):
        raise Malformed(f"HTTP {answer.status}, {len(answer.raw)} bytes: not the answer to this question")
    if body.get("receipt") is None:
        raise Unproven(f"{str(body.get('status'))[:20]}, without a receipt")
    reading = read_receipt(outsider, node, tx)
    receipt = reading.value[1].receipt
    proven = {"id": tx, "status": status_of(receipt.code), "receipt": receipt_to_plain(receipt)}
    _compare(body["receipt"], proven["receipt"])
    _compare(body, proven)
    return Reading(node, reading.header, proven)


def read_newest(outsider: Outsider, node: str) -> Reading[None]:
    """The newest header that this node can prove. Raises: as read_balance."""
    query = urlencode({"epoch": outsider.trusted.epoch})
    answer = outsider.ask(node, f"/v1/certified?{query}")
    if answer.status != 200 or answer.body is None:
        raise Malformed(f"HTTP {answer.status} without a certified header")
    header, _ = outsider.check(node, answer.body)
    return Reading(node, header, None)


def _proven_body(answer: Answer, statuses: tuple[int, ...]) -> dict[str, Plain]:
    body = answer.body
    if answer.status not in statuses or not isinstance(body, dict):
        raise Malformed(f"HTTP {answer.status}, {len(answer.raw)} bytes: not the answer to this question")
    if body.get(PROOF_MEMBER) is None:
        raise Malformed(f"HTTP {answer.status} without a proof")
    return dict(body)


def _compare(said: Plain, proven: Plain, prefix: str = "") -> None:
    """Raises: Lie with the first member that differs."""
    if said == proven:
        return
    if not isinstance(said, dict) or not isinstance(proven, dict):
        raise Lie(f"{prefix or 'account '}{str(said)[:80]}", str(proven or NO_ACCOUNT)[:80])
    for key in sorted({*said, *proven}):
        if said.get(key) != proven.get(key):
            raise Lie(f"{prefix}{key} {str(said.get(key))[:80]}", f"{prefix}{key} {str(proven.get(key))[:80]}")
    raise Malformed(f"{prefix}members differ: {sorted(set(said) ^ set(proven))}")


def _place(text: str) -> tuple[int, int]:
    """height.index. Raises: Malformed."""
    height, dot, index = text.partition(".")
    if not (dot and height.isascii() and height.isdigit() and index.isascii() and index.isdigit() and len(text) <= 41):
        raise Malformed(f"{text[:50]!r} is no place in the chain")
    return int(height), int(index)



def join_pages(outsider: Outsider, readings: Sequence[Reading[HistoryPage]]) -> tuple[list[Plain], str | None]:
    """The items of all pages as far down as each of them goes, and where to go on. A node whose page leaves out what
    another one proved, below the height that it vouches for, is named."""
    bottom = max((reading.value.next or (0, 0)) for reading in readings)
    everything: dict[tuple[int, int], Plain] = {}
    for reading in readings:
        everything.update(reading.value.items)
    for reading in readings:
        page = reading.value
        for place in sorted(everything):
            inside = (page.next or (0, 0)) <= place and place[0] <= page.top
            if inside and place not in page.items:
                said = f"nothing at {place[0]}.{place[1]} in this account's history"
                outsider.distrust(reading.node, "lying", said, f"receipt {everything[place]['tx'][:16]}")
                break
    items = [everything[place] for place in sorted(everything, reverse=True) if place >= bottom]
    return items, None if bottom == (0, 0) else f"{bottom[0]}.{bottom[1]}"


def join_supply(outsider: Outsider, readings: Sequence[Reading[dict[str, Plain]]]) -> dict[str, Plain]:
    """Of the newest reading, with the classes that only others named: no class is ever deleted, so who proves a newer
    state and leaves one out is named."""
    newest = readings[0]
    joined = dict(newest.value)
    for older in readings[1:]:
        for class_id in sorted(set(older.value) - set(newest.value)):
            said = f"no class {class_id} at block {newest.header.height}"
            outsider.distrust(newest.node, "lying", said, f"class {class_id} at block {older.header.height}")
            joined[class_id] = older.value[class_id]
        if older.header.exec_height == newest.header.exec_height:
            for class_id in sorted(set(newest.value) - set(older.value)):
                said = f"no class {class_id} at block {older.header.height}"
                outsider.distrust(older.node, "lying", said, f"class {class_id} at block {newest.header.height}")
    return joined
