"""One encoding: what decodes must be the shortest spelling, and a second decoder must read the same values."""

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from primitives import kinds
from primitives.block import Batch, decode_batch
from primitives.codec import Malformed, decode_canonical, decoder, encode
from primitives.keys import SigningKey
from primitives.transaction import (
    Envelope,
    Transaction,
    decode_transaction,
    sign_transaction,
    signature_checks,
    transaction_id,
)

KEY = SigningKey.from_seed(b"\x01" * 32)
OTHER = SigningKey.from_seed(b"\x02" * 32)
ISSUE = kinds.Issue("hA", bytes(20), 888, "H-1001", "EARN", 88_800, "海".encode())
ENVELOPE = Envelope(b"\x07" * 32, b"\x08" * 20, b"\x09" * 16, 1_760_000_000, ISSUE)
RAW = sign_transaction(ENVELOPE, [KEY])

identifiers = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=64)
amounts = st.integers(0, 2**64 - 1)


def blob(size: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=size, max_size=size)


bodies = st.one_of(
    st.builds(kinds.Issue, identifiers, blob(20), amounts, identifiers, st.sampled_from(["EARN", "BONUS"]), amounts,
              st.binary(max_size=200)),
    st.builds(kinds.Transfer, identifiers, amounts, blob(20), st.binary(max_size=40)),
    st.builds(kinds.Exchange, identifiers, amounts, identifiers, amounts),
    st.builds(kinds.Refund, identifiers, identifiers, amounts),
    st.builds(
        kinds.Redeem,
        st.builds(kinds.PaymentRequest, blob(20), st.none() | identifiers, amounts, amounts, blob(32), blob(64),
                  st.none() | identifiers, st.booleans()),
        amounts, st.binary(max_size=20),
    ),
    st.just(kinds.WindowClose()),
)  # fmt: skip
envelopes = st.builds(
    Envelope, blob(32), blob(20), blob(16), amounts,
    bodies | st.builds(kinds.BatchOperations, st.lists(bodies, max_size=4).map(tuple)),
)  # fmt: skip


@given(envelopes)
def test_a_second_decoder_reads_the_same_and_writes_the_same(envelope: Envelope) -> None:
    raw = encode(envelope)
    plain = msgpack.unpackb(raw, strict_map_key=True, use_list=True)
    assert msgpack.packb(plain) == raw
    assert plain[0] == envelope.chain_id and plain[3] == envelope.valid_until
    assert plain[4][0] == kinds.kind_of(envelope.body)
    assert plain == msgspec.msgpack.decode(raw)


@given(envelopes)
def test_signed_transactions_come_back_and_the_id_ignores_signatures(envelope: Envelope) -> None:
    one, two = sign_transaction(envelope, [KEY]), sign_transaction(envelope, [OTHER, KEY])
    first, second = decode_transaction(one), decode_transaction(two)
    assert first.transaction.envelope == second.transaction.envelope == envelope
    assert first.id == second.id == transaction_id(envelope)
    assert encode(first.transaction) == one


@given(st.binary(max_size=400))
def test_random_bytes_only_ever_are_malformed(raw: bytes) -> None:
    for decode in (decode_transaction, decode_batch):
        with pytest.raises(Malformed):
            decode(raw)


@pytest.mark.pitfall(73)
@given(st.integers(0, len(RAW) * 8 - 1))
def test_a_flipped_bit_is_malformed_or_another_transaction(bit: int) -> None:
    changed = bytearray(RAW)
    changed[bit // 8] ^= 1 << bit % 8
    try:
        decoded = decode_transaction(bytes(changed))
    except Malformed:
        return
    assert decoded.transaction != decode_transaction(RAW).transaction
    assert encode(decoded.transaction) == bytes(changed)


def respelled(raw: bytes, old: bytes, new: bytes) -> bytes:
    assert raw.count(old) == 1
    return raw.replace(old, new)


@pytest.mark.pitfall(73)
@pytest.mark.parametrize(
    ("why", "raw"),
    [
        ("an integer in a longer form", respelled(RAW, b"\xcd\x03\x78", b"\xce\x00\x00\x03\x78")),
        ("a float", respelled(RAW, b"\xcd\x03\x78", b"\xcb" + b"\x40\x8b\xc0\x00\x00\x00\x00\x00")),
        ("a negative amount", respelled(RAW, b"\xcd\x03\x78", b"\xd1\xfc\x88")),
        ("a boolean for a number", respelled(RAW, b"\xcd\x03\x78", b"\xc3")),
        ("text for bytes", respelled(RAW, b"\xc4\x10" + b"\x09" * 16, b"\xb0" + b"\x09" * 16)),
        ("an unknown kind", respelled(RAW, b"\xa5issue", b"\xa5issux")),
        ("a trailing byte", RAW + b"\x00"),
        ("a missing byte", RAW[:-1]),
        ("an element too many", b"\x93" + RAW[1:] + b"\xc0"),
        ("an extension type", respelled(RAW, b"\xcd\x03\x78", b"\xd6\xff\x00\x00\x03\x78")),
        ("a map", b"\x81\xa1a" + RAW),
        ("text that is no UTF-8", respelled(RAW, b"\xa6H-1001", b"\xa6H-10\xff\xfe")),
        ("nothing", b""),
        ("a nesting bomb", b"\x91" * 5_000 + b"\x90"),
        ("a length bomb", b"\xdd\xff\xff\xff\xff"),
        ("too many bytes", RAW + bytes(70_000)),
    ],
)
def test_other_spellings_and_bombs_are_malformed(why: str, raw: bytes) -> None:
    with pytest.raises(Malformed):
        decode_transaction(raw)


def test_what_the_decoder_raises_otherwise_is_malformed_too() -> None:
    """Where a record holds values of any shape, depth ends in RecursionError, and bad text in UnicodeDecodeError."""
    for raw in (b"\x91" * 100_000 + b"\x90", b"\x81\x01" * 50_000, b"\x91\xa1\xff", b"\x81\xa1\xff\x01"):
        with pytest.raises(Malformed):
            decode_canonical(decoder(object), raw)


def test_an_identifier_of_65_characters_or_with_a_blank_is_malformed() -> None:
    for order in ("x" * 65, "a b", "海", "", "a\n"):
        body = kinds.Issue("hA", bytes(20), 1, order, "EARN", 1)
        with pytest.raises(Malformed):
            decode_transaction(sign_transaction(Envelope(bytes(32), bytes(20), bytes(16), 1, body), [KEY]))


def test_signatures_out_of_order_or_twice_are_malformed() -> None:
    pairs = decode_transaction(sign_transaction(ENVELOPE, [KEY, OTHER])).transaction.signatures
    for wrong in (pairs[::-1], (pairs[0], pairs[0])):
        with pytest.raises(Malformed):
            decode_transaction(encode(Transaction(ENVELOPE, wrong)))


def test_every_signature_of_a_transaction_is_listed_for_checking() -> None:
    request = kinds.PaymentRequest(bytes(20), "r1", 5, 9, KEY.public_key, bytes(64))
    operations = (kinds.Redeem(request, 5), kinds.Redeem(request, 6), kinds.WindowClose())
    envelope = Envelope(bytes(32), bytes(20), bytes(16), 1, kinds.BatchOperations(operations))
    decoded = decode_transaction(sign_transaction(envelope, [KEY, OTHER]))
    assert len(signature_checks(decoded)) == 4


def test_a_batch_with_an_empty_list_or_a_wrong_type_is_malformed() -> None:
    for value in ((0, 0, ()), (0, 0, ("text",)), (0, -1, (b"x",)), (0, 0), (0, 0, (b"x",), 1)):
        with pytest.raises(Malformed):
            decode_batch(encode(value))
    assert decode_batch(encode(Batch(0, 0, (b"x",)))).transactions == (b"x",)


def test_decode_canonical_names_no_other_exception() -> None:
    using = decoder(Envelope)
    with pytest.raises(Malformed, match="not the canonical"):
        decode_canonical(using, respelled(encode(ENVELOPE), b"\xcd\x03\x78", b"\xce\x00\x00\x03\x78"))
