"""INV-17, computed again from the whole state: what errata did is recorded, and the counters hold at least so much."""

from collections import defaultdict
from collections.abc import Iterator

from points.errata import ERRATA_MOST
from points.errata_records import Erratum
from points.keys import class_key, counters_key
from points.state import NO_COUNTERS, Class, Counters
from points.view import View


def errata_faults(view: View) -> Iterator[str]:
    """Sums that are not those of their parts, and units that no counter knows. INV-1 to 6 are checked over all."""
    credited: dict[str, int] = defaultdict(int)
    debited: dict[str, int] = defaultdict(int)
    for key, record in view.range(b"c", b"d"):
        erratum: Erratum = record
        name = f"INV-17: errata of {key[1:].hex()}"
        gross = sum(debt.value for debt in erratum.debts)
        for net in erratum.units:
            of: Class | None = view.get(class_key(net.class_id))
            if of is None:
                yield f"{name}: no class {net.class_id}"
                continue
            gross += (net.credited + net.debited) * of.uv
            credited[net.class_id] += net.credited
            debited[net.class_id] += net.debited
        if gross != erratum.gross or not gross:
            yield f"{name}: {erratum.gross} uY recorded, its entries move {gross}"
        if not 1 <= erratum.number <= ERRATA_MOST or len(key) != 33:
            yield f"{name}: number {erratum.number}, expected 1 to {ERRATA_MOST}"
    for class_id in {*credited, *debited}:
        counters: Counters = view.get(counters_key(class_id)) or NO_COUNTERS
        if counters.issued < credited[class_id] or counters.burned < debited[class_id]:
            yield (
                f"INV-17: {class_id}: errata credited {credited[class_id]} and burned {debited[class_id]} units, "
                f"counted are {counters.issued} issued and {counters.burned} burned"
            )
