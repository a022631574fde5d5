"""The tables of an export: their columns with DuckDB's types, and the rows that a block adds to each.

Times in unix ms of the block, or s where a movement has its own second; units are those of the class, values uY. What
an event says beyond its kind stands as JSON in `body`, with the names of docs/en/points.md, section 5.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from cli.event_stream import ToldBlock
from cli.lot_ledger import COUNTERS, LotLedger, Movement
from cli.statement_rows import NO_TRANSACTION, movements
from primitives.address import FUND_ADDRESS, encode_address

Plain = Any
Rows = dict[str, list[tuple[Plain, ...]]]
FUND: Final = encode_address(FUND_ADDRESS)
_NUMBER, _SIGNED, _TEXT = "UBIGINT", "DECIMAL(38,0)", "VARCHAR"  # exact, whatever the amount

TABLES: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "blocks": (("height", _NUMBER), ("time_ms", _NUMBER), ("hash", _TEXT), ("receipts", _NUMBER), ("events", _NUMBER)),
    "receipts": (
        ("height", _NUMBER), ("index", _NUMBER), ("time_ms", _NUMBER), ("tx", _TEXT), ("code", _TEXT),
        ("number", _NUMBER), ("status", _TEXT), ("detail", _TEXT), ("operation", _NUMBER), ("first_tx", _TEXT),
    ),
    "events": (
        ("height", _NUMBER), ("index", _NUMBER), ("position", _NUMBER), ("time_ms", _NUMBER), ("tx", _TEXT),
        ("kind", _TEXT), ("body", _TEXT),
    ),
    "obligations": (
        ("height", _NUMBER), ("time", _NUMBER), ("tx", _TEXT), ("window", _NUMBER), ("debtor", _TEXT),
        ("creditor", _TEXT), ("value", _SIGNED), ("kind", _TEXT), ("order_id", _TEXT),
    ),
    "movements": (
        ("account", _TEXT), ("time", _NUMBER), ("height", _NUMBER), ("index", _NUMBER), ("tx", _TEXT),
        ("reason", _TEXT), ("why", _TEXT), ("class", _TEXT), ("expires", _NUMBER), ("units", _SIGNED),
        ("held", _SIGNED), ("counterparty", _TEXT), ("reference", _TEXT),
    ),
    "balances": (("account", _TEXT), ("class", _TEXT), ("available", _NUMBER), ("held", _NUMBER)),
    "supply": (("class", _TEXT), *((name, _NUMBER) for name in COUNTERS)),
}  # fmt: skip
FROM_GENESIS: Final = ("movements", "balances", "supply")  # sums over everything before


class Accounts:
    """A ledger for every account that a receipt ever named, and one for all of them."""

    def __init__(self) -> None:
        self._ledgers: Final[dict[str, LotLedger]] = {}
        self._all: Final = LotLedger()

    def read(self, receipt: Mapping[str, Plain]) -> Iterator[tuple[Plain, ...]]:
        """The movements of one receipt, and of the time before it, for the accounts that it names."""
        self._all.read(receipt)
        named = {value for event in receipt["events"] for value in event.values()
                 if isinstance(value, str) and value.startswith("hn1")}  # fmt: skip
        for account in sorted(named):
            ledger = self._ledgers.setdefault(account, LotLedger(account))
            ledger.read(receipt)
            yield from _drained(account, ledger)

    def pass_time(self, until_s: int) -> Iterator[tuple[Plain, ...]]:
        """What time does up to the end of the export."""
        self._all.pass_time(until_s)
        for account, ledger in sorted(self._ledgers.items()):
            ledger.pass_time(until_s)
            yield from _drained(account, ledger)

    def balances(self, time_s: int) -> Iterator[tuple[Plain, ...]]:
        """After pass_time."""
        for account, ledger in sorted(self._ledgers.items()):
            for class_id, row in sorted(ledger.balances(time_s).items()):
                yield account, class_id, row["avail"], row["held"]

    def supply(self) -> Iterator[tuple[Plain, ...]]:
        """Counters of all classes that ever had units (INV-1)."""
        for class_id, row in sorted(self._all.counters.items()):
            yield (class_id, *(row[name] for name in COUNTERS))

    @property
    def faults(self) -> list[str]:
        """Of a feed that left something out."""
        return self._all.faults


def _drained(account: str, ledger: LotLedger) -> Iterator[tuple[Plain, ...]]:
    yield from (movement_row(account, row) for row in ledger.rows)
    ledger.rows.clear()


def movement_row(account: str, row: Movement) -> tuple[Plain, ...]:
    """In the order of TABLES; None where time alone did it, and for the bucket of forfeited units."""
    place = (row.height, row.position, row.tx) if row.tx else (None, None, None)
    return (account, row.time, *place, row.reason, row.why, row.class_id, row.bucket or None, row.units, row.held,
            row.counterparty, row.reference)  # fmt: skip


def block_rows(block: ToldBlock, accounts: Accounts | None) -> Rows:
    """What a block adds to every table; `accounts` None: without movements."""
    own = {"time_ms": block.time_ms, "height": block.height, "index": len(block.receipts), "tx": NO_TRANSACTION,
           "events": block.events}  # fmt: skip
    found: Rows = {name: [] for name in TABLES}
    found["blocks"].append((block.height, block.time_ms, block.hash, len(block.receipts), len(block.events)))
    found["receipts"] += (_receipt_row(receipt) for receipt in block.receipts)
    for receipt in (own, *block.receipts):
        found["events"] += _event_rows(receipt)
        if accounts is not None:
            found["movements"] += accounts.read(receipt)
    for receipt in ({**own, "tx": ""}, *block.receipts):  # what time booked belongs to them too
        found["obligations"] += _obligation_rows(receipt)
    return found


def _receipt_row(receipt: Plain) -> tuple[Plain, ...]:
    first = receipt["first"]
    return (receipt["height"], receipt["index"], receipt["time_ms"], receipt["tx"], receipt["code"], receipt["number"],
            receipt["status"], receipt["detail"], receipt["operation"], first and first["tx"])  # fmt: skip


def _event_rows(receipt: Plain) -> Iterator[tuple[Plain, ...]]:
    tx = None if receipt["tx"] == NO_TRANSACTION else receipt["tx"]
    for position, event in enumerate(receipt["events"]):
        body = {name: value for name, value in event.items() if name != "kind"}
        yield (receipt["height"], receipt["index"], position, receipt["time_ms"], tx, event["kind"],
               msgspec.json.encode(body).decode())  # fmt: skip


def _obligation_rows(receipt: Plain) -> Iterator[tuple[Plain, ...]]:
    """Each debt once, from its debtor's side."""
    parties = {value for event in receipt["events"] for name, value in event.items()
               if name in ("issuer", "merchant", "debtor", "to_issuer")} | {FUND}  # fmt: skip
    for debtor in sorted(parties):
        for row in movements([receipt], debtor, FUND):
            if row.net < 0:
                yield (row.height, row.time, row.tx, row.window, debtor, row.counterparty, -row.net, row.kind,
                       row.order_id)  # fmt: skip
