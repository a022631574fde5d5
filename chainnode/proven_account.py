"""What follows from proven records: balances and supply, by the same rules as on a node, from nothing else.

A wallet calls this too: it needs neither a ledger nor a network.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from points import queries
from points.keys import account_key, class_key, counters_key, holdings_key
from points.state import Holdings, decode_value, encode_value
from points.transition import genesis_state
from primitives.codec import Malformed
from primitives.genesis import Genesis
from primitives.hashing import Digest
from primitives.state_proof import state_root_of

Plain = Any
CLASS_PREFIX: Final = b"C"


class Unproven(Malformed):
    """The answer rests on a key that nobody proved."""


class ProvenView:
    """A points View over proven values (None: proven absent); it knows nothing else."""

    def __init__(self, values: Mapping[bytes, bytes | None]) -> None:
        self._values: Final = values

    def get(self, key: bytes) -> Any:
        """See points.view.View. Raises: Unproven for a key without proof."""
        if key not in self._values:
            raise Unproven(f"record {key[:1]!r} {key[1:33].hex()} is needed and not proven")
        raw = self._values[key]
        try:
            return None if raw is None else decode_value(key, raw)
        except (KeyError, ValueError) as error:
            raise Malformed(f"record {key[:1]!r} {key[1:33].hex()}: {error}") from error

    def range(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, Any]]:
        """No proof says that a range is complete. Raises: Unproven."""
        raise Unproven(f"a range of records {start[:1]!r} cannot be proven complete")


def account_keys(address: bytes, get: Callable[[bytes], bytes | None]) -> list[bytes]:
    """The keys from which `proven_account`, lots and expiry follow; `get` reads stored values."""
    keys = [account_key(address), holdings_key(address)]
    raw = get(keys[1])
    if raw is not None:
        holdings: Holdings = decode_value(keys[1], raw)
        keys += [class_key(class_id) for class_id in dict.fromkeys(lot.class_id for lot in holdings.lots)]
    return keys


def supply_keys(class_ids: Sequence[str]) -> list[bytes]:
    """The keys from which the supply of these classes follows."""
    return [key for class_id in class_ids for key in (class_key(class_id), counters_key(class_id))]


def proven_account(view: ProvenView, time_s: int, address: bytes) -> Plain:
    """As GET /v1/accounts/{address}; None: proven that there is no such account. Raises: Unproven, Malformed."""
    return queries.account(view, time_s, address)


def proven_expiring(view: ProvenView, time_s: int, address: bytes) -> Plain:
    """As GET /v1/accounts/{address}/expiring, under the same conditions."""
    return queries.expiring(view, time_s, address)


def proven_supply(view: ProvenView, class_ids: Sequence[str]) -> dict[str, Plain]:
    """Counters by class; None: proven that there is no such class. That no class is missing cannot be proven."""
    return {class_id: queries.supply(view, 0, class_id) for class_id in class_ids}


def genesis_root(genesis: Genesis) -> Digest:
    """The state root of height 0, computed from the genesis alone."""
    records = genesis_state(genesis)
    return state_root_of({key: encode_value(record) for key, record in records.items() if record is not None})
