"""Bytes and JSON of campaigns: entries as pairs, the leaf that a proof speaks of."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primitives.address import encode_address
from primitives.codec import Malformed, decode_canonical, decoder, encode
from primitives.json_form import body_from_plain, to_plain
from primitives.keys import Address
from primitives.kinds_campaigns import BatchIssue, LeafProof, is_listed, list_root, prove_entry

TEXT = encode_address(Address(bytes(range(20))))
ENTRIES = st.lists(st.tuples(st.binary(min_size=20, max_size=20), st.integers(1, 2**64 - 1)), min_size=1, max_size=12)


def test_entries_are_pairs_in_json_and_in_bytes() -> None:
    plain = {"campaign": "c", "class": "hA", "entries": [[TEXT, "5"], [TEXT, 2**64 - 1]], "order_id": "o"}
    body = body_from_plain("batch_issue", plain)
    assert isinstance(body, BatchIssue)
    assert body.entries == ((bytes(range(20)), 5), (bytes(range(20)), 2**64 - 1))
    assert to_plain(body)["entries"] == [[TEXT, 5], [TEXT, str(2**64 - 1)]]
    assert body_from_plain("batch_issue", to_plain(body)) == body
    assert decode_canonical(decoder(BatchIssue), encode(body)) == body


@pytest.mark.parametrize(
    ("entry", "path"),
    [([TEXT], "entries[0]"), ([TEXT, 1, 2], "entries[0]"), ({"to": TEXT, "units": 1}, "entries[0]"),
     ([TEXT, "01"], "entries[0][1]"), (["hn1x", 1], "entries[0][0]")],
)  # fmt: skip
def test_a_bad_entry_is_named(entry: Any, path: str) -> None:
    with pytest.raises(Malformed) as refusal:
        body_from_plain("batch_issue", {"campaign": "c", "class": "hA", "entries": [entry], "order_id": "o"})
    assert path in str(refusal.value)


@given(ENTRIES, st.data())
def test_every_entry_proves_itself_and_nothing_else(entries: list[tuple[bytes, int]], data: st.DataObject) -> None:
    """Not another account, other units, another place, another campaign or a longer list."""
    root = list_root("c", entries)
    index = data.draw(st.integers(0, len(entries) - 1))
    account, units = entries[index]
    proof = prove_entry("c", entries, index)
    assert is_listed(root, "c", account, units, proof)
    stranger = bytes([account[0] ^ 1]) + account[1:]
    if (stranger, units) not in entries:
        assert not is_listed(root, "c", stranger, units, proof)
    assert not is_listed(root, "c", account, units - 1, proof)
    assert not is_listed(root, "d", account, units, proof)
    assert not is_listed(root, "c", account, units, LeafProof(index, len(entries) + 1, proof.path))
    assert not is_listed(root, "c", account, units, LeafProof(index + len(entries), len(entries), proof.path))
    assert not is_listed(root, "c", account, units, LeafProof(index, len(entries), (*proof.path, bytes(32))))
