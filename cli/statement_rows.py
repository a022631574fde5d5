"""A merchant's statement: from receipts in their public JSON form to rows that add up, and to a root over them (2.11).

Everything in uY, signed as the merchant sees it: + is owed to it. A row is what one event did between it and one other
participant; `gross` is before the fee, `net` is what was booked. Opening balance + sum of net = closing balance, where
the balance is the merchant's position in the open window with its carry; a closed window pays out its whole fen.
Books: the sales and refunds that a merchant's own records must show, one per order or refund, in fen.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from primitives import merkle
from primitives.hashing import Digest

Plain = Any
UY_PER_FEN: Final = 10_000
UY_PER_YUAN: Final = 1_000_000
CURRENCY: Final = "CNY"
NO_TRANSACTION: Final = "0" * 64  # in the history: events of a block, in no receipt
COLUMNS: Final = (
    "date", "window", "counterparty", "order_id", "kind", "gross", "fee", "net", "currency", "tx", "block", "proof",
)  # fmt: skip


class Row(NamedTuple):
    """One movement; time in unix seconds of UTC. `tx` is "" and `height` 0 for what time alone did."""

    time: int
    window: int
    counterparty: str
    order_id: str
    kind: str
    gross: int
    fee: int
    net: int
    tx: str
    height: int


class Sale(NamedTuple):
    """A payment to the merchant (value > 0), or a refund by it (value < 0); fen."""

    order_id: str
    refund_id: str
    value: int


class Place(NamedTuple):
    """Where a movement happened: the receipt's block time, id and height."""

    time: int
    tx: str
    height: int


def movements(receipts: Iterable[Plain], me: str, fund: str) -> Iterator[Row]:
    """The rows of one merchant in these receipts (each with its `time_ms`), oldest first if the receipts are.

    Of what time did, shared losses are passed over: the state still tells them (`shared_rows`, `payout`) when the
    history no more does. What an erratum books by time, and the carry of who has left, has no other place.
    """
    for receipt in receipts:
        if receipt["tx"] == NO_TRANSACTION:
            place = Place(receipt["time_ms"] // 1000, "", receipt["height"])
            for event in receipt["events"]:
                if event["kind"] == "ObligationAdded" and "of_window" not in event:
                    yield from _obligation(event, None, place, me)
            continue
        place = Place(receipt["time_ms"] // 1000, receipt["tx"], receipt["height"])
        payment: Plain = None
        for event in receipt["events"]:
            match event["kind"]:
                case "Redeemed" | "Refunded":
                    payment = event
                case "RedeemedLeg":
                    yield from _redeemed(event, payment, place, me, fund)
                case "ObligationAdded":
                    yield from _obligation(event, payment, place, me)
                case "Exchanged":
                    yield from _exchanged(event, place, me, fund)


def _redeemed(leg: Plain, payment: Plain, place: Place, me: str, fund: str) -> Iterator[Row]:
    """Issuer owes merchant pay - fee, and FUND fee + over; to itself a merchant owes nothing."""
    issuer, merchant, order_id = leg["issuer"], payment["merchant"], payment["order_id"]
    pay, fee, over = leg["pay"], leg["fee"], leg["over"]
    if issuer == me:
        if merchant != me and pay > fee:
            yield _row(place, payment["window"], merchant, order_id, "redeemed_elsewhere", fee - pay)
        if fee + over:
            yield _row(place, payment["window"], fund, order_id, "fee_and_overshoot", -fee - over)
    elif merchant == me and pay > fee:
        yield _row(place, payment["window"], issuer, order_id, "redeem", pay, -fee)


def _obligation(event: Plain, payment: Plain, place: Place, me: str) -> Iterator[Row]:
    refund = payment is not None and payment["kind"] == "Refunded"
    order_id = payment["order_id"] if refund else ""
    kind = "refund" if refund else event.get("reason", "obligation")
    if event["debtor"] == me:
        yield _row(place, event["window"], event["creditor"], order_id, kind, -event["value"])
    elif event["creditor"] == me:
        yield _row(place, event["window"], event["debtor"], order_id, kind, event["value"])


def _exchanged(event: Plain, place: Place, me: str, fund: str) -> Iterator[Row]:
    """The giver owes the taker what it took on, and FUND fee and dust."""
    giver, taker, cost = event["issuer"], event["to_issuer"], event["fee"] + event["dust"]
    taken_on = event["value"] - cost
    if giver == me and taker != me and taken_on:
        yield _row(place, event["window"], taker, "", "exchange_out", -taken_on)
    if giver == me and cost:
        yield _row(place, event["window"], fund, "", "exchange_fee", -cost)
    if taker == me and giver != me and taken_on:
        yield _row(place, event["window"], giver, "", "exchange_in", taken_on)


def _row(place: Place, window: int, counterparty: str, order_id: str, kind: str, gross: int, fee: int = 0) -> Row:
    return Row(place.time, window, counterparty, order_id, kind, gross, fee, gross + fee, place.tx, place.height)


def shared_rows(shared: Iterable[Plain], window: int, opened: int, me: str) -> Iterator[Row]:
    """Rows of losses of earlier windows that were shared when this one was open; no receipt tells them."""
    for item in shared:
        if me in (item["debtor"], item["creditor"]):
            mine = item["creditor"] == me
            value = item["fen"] * UY_PER_FEN
            other = item["debtor"] if mine else item["creditor"]
            yield _row(Place(opened, "", 0), window, other, "", "loss_share", value if mine else -value)


def payout(window: Plain, me: str) -> Row:
    """The row by which a closed window turns a position into payments; what stays is the carry."""
    net = -window["fen"].get(me, 0) * UY_PER_FEN
    return _row(Place(window["closed"], "", 0), window["window"], "", "", "settlement", net)


def sales(receipts: Iterable[Plain], me: str) -> Iterator[Sale]:
    """What the merchant sold for points and gave back, as its own records should show it."""
    for receipt in receipts:
        for event in receipt["events"]:
            if event["kind"] == "Redeemed" and event["merchant"] == me:
                yield Sale(event["order_id"], "", event["value"])
            elif event["kind"] == "Refunded" and event["merchant"] == me:
                yield Sale(event["order_id"], event["refund_id"], -event["value"])


class Reconciled(NamedTuple):
    """What two lists of sales do not agree on; `differs` is (ours, theirs). All empty: they agree."""

    agreed: int
    missing: list[Sale]  # on chain, not in the merchant's books
    unknown: list[Sale]  # in the books, not on chain
    differs: list[tuple[Sale, Sale]]


def reconcile(chain: Sequence[Sale], books: Sequence[Sale]) -> Reconciled:
    """Compare by order and refund id. A key that stands twice in the books: the second one is unknown."""
    ours = {(sale.order_id, sale.refund_id): sale for sale in chain}
    seen: set[tuple[str, str]] = set()
    unknown, differs, agreed = [], [], 0
    for sale in books:
        key = (sale.order_id, sale.refund_id)
        found = ours.get(key)
        if found is None or key in seen:
            unknown.append(sale)
            continue
        seen.add(key)
        if found.value == sale.value:
            agreed += 1
        else:
            differs.append((found, sale))
    missing = [sale for key, sale in ours.items() if key not in seen]
    return Reconciled(agreed, missing, unknown, differs)


def in_order(rows: Iterable[Row]) -> list[Row]:
    """By window, its settlement last, then by time: windows follow one another, so this is the order of events."""
    return sorted(rows, key=lambda row: (row.window, row.kind == "settlement", row.time, row.height))


def by_counterparty(rows: Iterable[Row]) -> dict[str, int]:
    """Sum of net per participant, settlements left out, zeros too: what the obligations of the windows must say."""
    sums: dict[str, int] = {}
    for row in rows:
        if row.kind != "settlement":
            sums[row.counterparty] = sums.get(row.counterparty, 0) + row.net
    return {who: value for who, value in sums.items() if value}


def owed(obligations: Mapping[str, int], me: str) -> dict[str, int]:
    """The same sums from the obligations of a window."""
    sums: dict[str, int] = {}
    for name, value in obligations.items():
        debtor, creditor = name.split("->")
        if debtor == me:
            sums[creditor] = sums.get(creditor, 0) - int(value)
        elif creditor == me:
            sums[debtor] = sums.get(debtor, 0) + int(value)
    return {who: value for who, value in sums.items() if value}


def yuan_text(value: int) -> str:
    """uY as CNY with all six decimals."""
    whole, rest = divmod(abs(value), UY_PER_YUAN)
    return f"{'-' if value < 0 else ''}{whole}.{rest:06d}"


def cells(row: Row, date: str) -> tuple[str, ...]:
    """A row in the order of COLUMNS; `date` is its day in UTC+8."""
    proof = f"/v1/transactions/{row.tx}/proof" if row.tx else ""
    return (
        date, str(row.window), row.counterparty, row.order_id, row.kind, yuan_text(row.gross), yuan_text(row.fee),
        yuan_text(row.net), CURRENCY, row.tx, str(row.height or ""), proof,
    )  # fmt: skip


def root_of(lines: Sequence[Sequence[str]]) -> Digest:
    """The Merkle root over the rows, each as its cells joined by the unit separator: one row can be shown alone."""
    return merkle.root([b"\x1f".join(cell.encode() for cell in line) for line in lines])
