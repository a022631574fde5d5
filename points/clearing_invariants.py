"""What the records of clearing must say, besides INV-5 and INV-6: a default neither makes nor loses a fen."""

from collections import defaultdict
from collections.abc import Iterator

from points.clearing_records import NO_MONEY, FundMoney, Help, Loss
from points.keys import FUND_MONEY_KEY, loss_key
from points.view import View


def clearing_faults(view: View) -> Iterator[str]:
    """Shares of a default, help and what came back of it, the fund's money. One pass over the records."""
    money: FundMoney = view.get(FUND_MONEY_KEY) or NO_MONEY
    if money.advanced > money.received:
        yield f"fund: {money.advanced} fen advanced, {money.received} received"
    for key, leg in view.range(b"E", b"F"):
        if leg.drawn + leg.advanced > leg.fen or (leg.drawn + leg.advanced and not leg.defaulted):
            yield f"leg {key[9:].hex()}: {leg.drawn} drawn and {leg.advanced} advanced of {leg.fen} fen"
    helped: dict[bytes, int] = defaultdict(int)
    losses: dict[bytes, Loss] = {}
    for key, record in view.range(b"lw", b"lx"):
        if isinstance(record, Loss):
            losses[key] = record
            if record.recovered > record.fen:
                yield f"loss {key[2:].hex()}: {record.recovered} fen came back of {record.fen}"
            continue
        given: Help = record
        owner = loss_key(int.from_bytes(key[2:10], "big"), key[10:30])
        helped[owner] += given.fen
        loss = losses.get(owner)  # its key is a prefix of this one: it came before, unless its window is leaving
        if loss is not None and given.returned != given.fen * loss.recovered // loss.fen:
            yield f"help {key[2:].hex()}: {given.returned} of {given.fen} fen returned, {loss.recovered} came back"
    for owner, loss in losses.items():
        if helped[owner] > loss.fen:
            yield f"loss {owner[2:].hex()}: {helped[owner]} fen of help for {loss.fen}"
