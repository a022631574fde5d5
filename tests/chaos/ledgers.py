"""What the stopped nodes hold, read from their directories: acknowledged transactions, and none twice."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from chainnode.devnet_layout import NodePlace
from chainnode.ledger_audit import audit_config
from ledger.data_directory import open_data_directory
from primitives.block import header_digest
from primitives.codec import decode_canonical, decoder
from primitives.codes import Code
from primitives.receipt import Receipt
from tests.integration.local_network import Network

_RECEIPT = decoder(Receipt)


def count_lost(network: Network, acknowledged: Mapping[str, tuple[int, int]], places: Sequence[NodePlace]) -> int:
    """Acknowledged transactions that a ledger does not hold at the height and index that were told to the client.

    A height below a ledger's floor (a node that joined by snapshot) is not counted there.
    """
    lost = 0
    for place in places:
        data = open_data_directory(network.devnet.folder(place) / "data", network.genesis)
        try:
            for identity, (height, index) in acknowledged.items():
                if height < data.chain.floor:
                    continue
                found = data.chain.place(bytes.fromhex(identity))
                lost += found is None or (found.height, found.index) != (height, index)
        finally:
            data.close()
    return lost


def count_twice(network: Network, place: NodePlace, issued: int) -> int:
    """Transactions that have more than one receipt in a ledger, and units beyond (or short of) its receipts.

    `issued`: what the running node said of the class "hotel"; each committed issue of a load is one unit. A ledger
    with a floor is not compared with it.
    """
    data = open_data_directory(network.devnet.folder(place) / "data", network.genesis)
    try:
        chain, seen, twice, units = data.chain, set[bytes](), 0, 0
        for height in range(max(1, chain.floor), chain.head.height + 1):
            for identity, raw in zip(chain.transaction_ids(height), chain.receipts(height), strict=True):
                if raw is not None:
                    twice += identity in seen
                    seen.add(identity)
                    receipt = decode_canonical(_RECEIPT, raw)
                    units += receipt.code == Code.OK and any(event.kind == "Issued" for event in receipt.events)
        return twice + (abs(issued - units) if chain.floor == 0 else 0)
    finally:
        data.close()


def issued_units(network: Network, place: NodePlace) -> int:
    """The state's own count of what the load issued."""
    return int(network.get(place, "/v1/classes/hotel")["issued"])


def floor_of(network: Network, place: NodePlace) -> int:
    """The lowest height that a stopped node's ledger holds; 0 for a whole one."""
    data = open_data_directory(network.devnet.folder(place) / "data", network.genesis)
    try:
        return data.chain.floor
    finally:
        data.close()


def replay_faults(network: Network, places: Sequence[NodePlace]) -> list[str]:
    """Every ledger replayed from genesis to its state root, and all of one chain up to the shortest head.

    Nodes stop one after the other, so one may have a last empty block more. A sentence for each fault.
    """
    faults, heads = [], dict[str, int]()
    for place in places:
        found = audit_config(Path(network.devnet.folder(place)) / "node.toml", lambda height, stop: None)
        heads[place.name] = int(found["height"])
        if not found["ok"]:
            faults.append(f"{place.name}: {found}")
    lowest = min(heads.values())
    hashes = {place.name: _hash_at(network, place, lowest) for place in places}
    if len(set(hashes.values())) > 1:
        faults.append(f"block {lowest} differs: {hashes}")
    return faults


def _hash_at(network: Network, place: NodePlace, height: int) -> str:
    data = open_data_directory(network.devnet.folder(place) / "data", network.genesis)
    try:
        header = data.chain.header(height)
        return "none" if header is None else header_digest(header).hex()
    finally:
        data.close()
