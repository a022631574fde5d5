"""The JSON form of any Record: objects by public field names, bytes as people write them, amounts as decimal text.

Works from the types alone, so a new kind of transaction has its JSON form without a line here. A union of kinds is
{"kind": name, "body": {...}}; a field of many kinds may name another field that tells its kind ("kind_in").
Bytes are hex, addresses bech32m, texts UTF-8 (or {"hex": "c328"} where they are not).
"""

from collections.abc import Callable
from typing import Annotated, Any, Final, Literal, TypeVar, cast

import msgspec
from msgspec import inspect

from primitives.address import decode_address, encode_address
from primitives.codec import U64_MAX, Malformed, Record
from primitives.keys import Address
from primitives.kinds import Body, kind_of
from primitives.transaction import Envelope, KeySignature, Transaction

R = TypeVar("R", bound=Record)
Reader = Callable[[Any, str], Any]
Plain = Any  # what a JSON parser gives

_JSON_SAFE_MAX: Final = 2**53 - 1  # larger integers are written as text: JavaScript would round them
_AMOUNT_DIGITS_MAX: Final = 20


class BadAmount(Malformed):
    """A number of the amount grammar was expected: ^(0|[1-9][0-9]{0,19})$ and at most 2**64 - 1."""


def read_amount(value: Plain, path: str) -> int:
    """The amount of an integer or decimal text; BadAmount for a sign, point, exponent, blank or leading zero."""
    number: int | None = None
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, str) and 1 <= len(value) <= _AMOUNT_DIGITS_MAX and value.isascii() and value.isdigit():
        number = int(value) if value == "0" or value[0] != "0" else None
    if number is None or not 0 <= number <= U64_MAX:
        raise BadAmount(f"{path}: {str(value)[:40]!r} is not a whole number from 0 to {U64_MAX}")
    return number


def read_count(value: Plain, path: str) -> int:
    """A plain integer from 0 to 2**64 - 1 that is no amount (a time, a count); Malformed otherwise."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= U64_MAX:
        raise Malformed(f"{path}: {str(value)[:40]!r} is not an integer from 0 to {U64_MAX}")
    return value


def _read_hex(value: Plain, path: str) -> bytes:
    if not isinstance(value, str) or not value.isascii() or value != value.lower() or " " in value:
        raise Malformed(f"{path}: expected lower-case hex")
    try:
        return bytes.fromhex(value)
    except ValueError as error:
        raise Malformed(f"{path}: expected lower-case hex: {error}") from error


def _read_text(value: Plain, path: str) -> bytes:
    if isinstance(value, dict) and set(value) == {"hex"}:
        return _read_hex(value["hex"], f"{path}.hex")
    if not isinstance(value, str):
        raise Malformed(f"{path}: expected text")
    try:
        return value.encode()
    except UnicodeEncodeError as error:
        raise Malformed(f"{path}: the text holds a lone surrogate") from error


def _read_base64(value: Plain, path: str) -> bytes:
    if not isinstance(value, str):
        raise Malformed(f"{path}: expected base64 text")
    try:
        raw: bytes = msgspec.convert(value, bytes)
    except msgspec.ValidationError as error:
        raise Malformed(f"{path}: {error}") from error
    return raw


def _read_address(value: Plain, path: str) -> bytes:
    if not isinstance(value, str):
        raise Malformed(f"{path}: expected an address")
    try:
        return decode_address(value)
    except Malformed as error:
        raise Malformed(f"{path}: {error}") from error


_BYTES_READERS: Final[dict[str, Reader]] = {
    "hex": _read_hex, "address": _read_address, "text": _read_text, "base64": _read_base64,
}


def _bytes_reader(info: inspect.BytesType, form: str) -> Reader:
    read, low, high = _BYTES_READERS[form], info.min_length or 0, info.max_length

    def reader(value: Plain, path: str) -> bytes:
        raw: bytes = read(value, path)
        if len(raw) < low or (high is not None and len(raw) > high):
            raise Malformed(f"{path}: {len(raw)} bytes, expected {low} to {high}")
        return raw

    return reader


def _scalar_reader(of: Any) -> Reader:
    def reader(value: Plain, path: str) -> Any:
        try:
            return msgspec.convert(value, of, strict=True)
        except msgspec.ValidationError as error:
            raise Malformed(f"{path}: {error}") from error

    return reader


def kind_field(info: inspect.Type) -> str | None:
    """The name of the JSON field that tells of which kind a field of this type is; None: the value tells it itself."""
    return (info.extra or {}).get("kind_in") if isinstance(info, inspect.Metadata) else None


def _gathered(value: dict[str, Plain], beside: dict[str, str], path: str) -> dict[str, Plain]:
    """The same object with each field of many kinds as {"kind", "body"}; `beside`: its name -> where its kind is."""
    plain = dict(value)
    for name, kind_name in beside.items():
        if kind_name not in plain:
            raise Malformed(f"{path}.{kind_name}: missing")
        kind = plain.pop(kind_name)
        if name in plain:
            plain[name] = {"kind": kind, "body": plain[name]}
    return plain


def _struct_reader(info: inspect.StructType) -> Reader:
    fields = [(f.name, f.encode_name, _reader(f.type), f.required) for f in info.fields]
    beside = {f.encode_name: kind for f in info.fields if (kind := kind_field(f.type)) is not None}
    known = {encode_name for _, encode_name, _, _ in fields} | set(beside.values())

    def reader(value: Plain, path: str) -> Any:
        if not isinstance(value, dict):
            raise Malformed(f"{path}: expected an object")
        for key in value:
            if key not in known:
                raise Malformed(f"{path}.{str(key)[:40]}: unknown field")
        if beside:
            value = _gathered(value, beside, path)
        found = {}
        for name, encode_name, read, required in fields:
            if encode_name in value:
                found[name] = read(value[encode_name], f"{path}.{encode_name}")
            elif required:
                raise Malformed(f"{path}.{encode_name}: missing")
        return info.cls(**found)

    return reader


def _tuple_reader(info: inspect.VarTupleType) -> Reader:
    read, low, high = _reader(info.item_type), info.min_length or 0, info.max_length

    def reader(value: Plain, path: str) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise Malformed(f"{path}: expected a list")
        if len(value) < low or (high is not None and len(value) > high):
            raise Malformed(f"{path}: {len(value)} elements, expected {low} to {high}")
        return tuple(read(item, f"{path}[{i}]") for i, item in enumerate(value))

    return reader


def _pair_reader(info: inspect.TupleType) -> Reader:
    reads = [_reader(of) for of in info.item_types]

    def reader(value: Plain, path: str) -> tuple[Any, ...]:
        if not isinstance(value, list) or len(value) != len(reads):
            raise Malformed(f"{path}: expected a list of {len(reads)} elements")
        return tuple(read(item, f"{path}[{i}]") for i, (read, item) in enumerate(zip(reads, value, strict=True)))

    return reader


def _union_reader(info: inspect.UnionType) -> Reader:
    kinds = {t.tag: _reader(t) for t in info.types if isinstance(t, inspect.StructType) and t.tag is not None}
    others = [_reader(t) for t in info.types if not isinstance(t, inspect.NoneType)]
    nullable = any(isinstance(t, inspect.NoneType) for t in info.types)

    def reader(value: Plain, path: str) -> Any:
        if value is None and nullable:
            return None
        if not kinds:
            return others[0](value, path)
        if not isinstance(value, dict) or set(value) != {"kind", "body"}:
            raise Malformed(f"{path}: expected {{kind, body}}")
        read = kinds.get(value["kind"]) if isinstance(value["kind"], str) else None
        if read is None:
            raise Malformed(f"{path}.kind: unknown kind {str(value['kind'])[:40]!r}")
        return read(value["body"], f"{path}.body")

    return reader


def _reader(info: inspect.Type) -> Reader:
    form = "hex"
    if isinstance(info, inspect.Metadata):
        form, info = (info.extra or {}).get("form", "hex"), info.type
    match info:
        case inspect.BytesType():
            return _bytes_reader(info, form)
        case inspect.IntType():
            return read_amount if form == "amount" else read_count
        case inspect.StrType():
            bounds = msgspec.Meta(min_length=info.min_length, max_length=info.max_length, pattern=info.pattern)
            return _scalar_reader(Annotated[str, bounds])
        case inspect.StructType():
            return _struct_reader(info)
        case inspect.VarTupleType():
            return _tuple_reader(info)
        case inspect.TupleType():
            return _pair_reader(info)
        case inspect.UnionType():
            return _union_reader(info)
        case inspect.LiteralType():
            return _scalar_reader(Literal[info.values])
        case inspect.BoolType():
            return _scalar_reader(bool)
        case inspect.EnumType():
            return _scalar_reader(info.cls)
        case _:
            raise TypeError(f"no JSON form for {info}")




_READERS: Final[dict[type, Reader]] = {}  # one compiled reader per type; the types are a closed set


def from_plain(of: type[R], value: Plain, path: str = "$") -> R:
    """The Record of parsed JSON. Raises: Malformed with the field's path; BadAmount for a number off the grammar."""
    reader = _READERS.get(of)
    if reader is None:
        reader = _READERS[of] = _reader(inspect.type_info(of))
    return cast(R, reader(value, path))


def body_from_plain(kind: Plain, body: Plain, path: str = "$") -> Body:
    """The body of {"kind": kind, "body": body}; Malformed for an unknown kind."""
    reader = _READERS.get(Envelope)
    if reader is None:
        reader = _READERS[Envelope] = _reader(inspect.type_info(Body))
    return cast(Body, reader({"kind": kind, "body": body}, path))


def _plain_bytes(value: bytes, form: str) -> Plain:
    match form:
        case "address":
            return encode_address(Address(value))
        case "base64":
            return msgspec.to_builtins(value)
        case "text":
            try:
                return value.decode()
            except UnicodeDecodeError:
                return {"hex": value.hex()}
        case _:
            return value.hex()


def _to_plain(value: Any, info: inspect.Type) -> Plain:
    form = "hex"
    if isinstance(info, inspect.Metadata):
        form, info = (info.extra or {}).get("form", "hex"), info.type
    if isinstance(value, bytes):
        return _plain_bytes(value, form)
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return str(value) if value > _JSON_SAFE_MAX else int(value)
    if isinstance(info, inspect.VarTupleType):
        return [_to_plain(item, info.item_type) for item in value]
    if isinstance(info, inspect.TupleType):
        return [_to_plain(item, of) for item, of in zip(value, info.item_types, strict=True)]
    if isinstance(info, inspect.UnionType):
        members = [t for t in info.types if not isinstance(t, inspect.NoneType)]
        chosen = next(t for t in members if not isinstance(t, inspect.StructType) or t.cls is type(value))
        if isinstance(chosen, inspect.StructType) and chosen.tag is not None:
            return {"kind": chosen.tag, "body": _to_plain(value, chosen)}
        return _to_plain(value, chosen)
    assert isinstance(info, inspect.StructType), f"no JSON form for {info}"
    plain = {f.encode_name: _to_plain(getattr(value, f.name), f.type) for f in info.fields}
    for field in info.fields:
        kind = kind_field(field.type)
        if kind is not None:
            plain[kind], plain[field.encode_name] = plain[field.encode_name].values()
    return plain


def to_plain(record: Record) -> Plain:
    """What a JSON writer takes; from_plain gives the same Record back."""
    return _to_plain(record, inspect.type_info(type(record)))


_ENVELOPE_FIELDS: Final = frozenset({"kind", "chain_id", "sender", "nonce", "valid_until", "body"})


def envelope_from_plain(value: Plain, path: str = "$") -> Envelope:
    """The envelope of {"kind", "chain_id", "sender", "nonce", "valid_until", "body"}, every field required."""
    if not isinstance(value, dict) or set(value) != _ENVELOPE_FIELDS:
        found = sorted(value) if isinstance(value, dict) else type(value).__name__
        raise Malformed(f"{path}: expected the fields {sorted(_ENVELOPE_FIELDS)}, found {str(found)[:200]}")
    chain_id = _read_hex(value["chain_id"], f"{path}.chain_id")
    nonce = _read_hex(value["nonce"], f"{path}.nonce")
    for name, raw, size in (("chain_id", chain_id, 32), ("nonce", nonce, 16)):
        if len(raw) != size:
            raise Malformed(f"{path}.{name}: {len(raw)} bytes, expected {size}")
    return Envelope(
        chain_id,
        _read_address(value["sender"], f"{path}.sender"),
        nonce,
        read_count(value["valid_until"], f"{path}.valid_until"),
        body_from_plain(value["kind"], value["body"], path),
    )


def transaction_from_plain(value: Plain, path: str = "$") -> Transaction:
    """The signed JSON form: the envelope's fields and "signatures": [{"key", "sig"}], sorted here by key."""
    if not isinstance(value, dict) or not isinstance(value.get("signatures"), list):
        raise Malformed(f"{path}.signatures: missing")
    envelope = envelope_from_plain({k: v for k, v in value.items() if k != "signatures"}, path)
    items = enumerate(value["signatures"])
    pairs = [from_plain(KeySignature, item, f"{path}.signatures[{i}]") for i, item in items]
    return Transaction(envelope, tuple(sorted(pairs, key=lambda pair: pair.key)))


def transaction_to_plain(transaction: Transaction) -> Plain:
    """The signed JSON form of a transaction."""
    envelope = transaction.envelope
    return {
        "kind": kind_of(envelope.body),
        "chain_id": envelope.chain_id.hex(),
        "sender": encode_address(Address(envelope.sender)),
        "nonce": envelope.nonce.hex(),
        "valid_until": envelope.valid_until,
        "body": to_plain(envelope.body),
        "signatures": [to_plain(pair) for pair in transaction.signatures],
    }
