"""The OpenAPI 3.1 description of the API, made from the route table and from the very types that validate."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from msgspec import inspect

from chainnode.calls import JSON, Route
from chainnode.problem import MEDIA_TYPE
from chainnode.read_scopes import Scope, access_of
from chainnode.submissions import BULK, MSGPACK
from primitives.codes import Code, code_text
from primitives.json_form import kind_field
from primitives.kinds import Body
from primitives.transaction import KeySignature

Schema = dict[str, Any]

_AMOUNT: Final = "^(0|[1-9][0-9]{0,19})$"
_ADDRESS: Final[Schema] = {
    "type": "string", "pattern": "^hn1[02-9ac-hj-np-z]{38,40}$", "description": "bech32m address",
}  # fmt: skip
_RECEIPT: Final[Schema] = {
    "type": "object",
    "required": ["tx", "height", "index", "code", "number", "status", "detail", "events"],
    "properties": {
        "tx": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "height": {"type": "integer"},
        "index": {"type": "integer", "description": "position among all mentions of the block"},
        "code": {"type": "string", "description": "name of the result code, such as OK or RESERVE_EXCEEDED"},
        "number": {"type": "integer"},
        "status": {"enum": ["committed", "rejected"]},
        "detail": {"type": "string"},
        "operation": {"type": ["integer", "null"], "description": "the operation of a batch that was rejected"},
        "first": {
            "type": ["object", "null"],
            "description": "the first transaction of an idempotent repetition",
            "properties": {"tx": {"type": "string"}, "height": {"type": "integer"}, "index": {"type": "integer"}},
        },
        "events": {
            "type": "array",
            "items": {"type": "object", "required": ["kind"], "properties": {"kind": {"type": "string"}}},
        },
    },
}  # fmt: skip
_PROBLEM: Final[Schema] = {
    "type": "object",
    "description": "RFC 9457 problem document",
    "required": ["type", "title", "status", "detail", "code", "name", "phase", "fix"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "pattern": "^HN-[0-9]{4}$"},
        "name": {"enum": [code.name for code in Code]},
        "phase": {"enum": ["request", "limits", "admission", "execution", "query", "node"]},
        "fix": {"type": "string"},
        "id": {"type": "string", "description": "the transaction, where there is one"},
        "receipt": {"anyOf": [{"$ref": "#/components/schemas/Receipt"}, {"type": "null"}]},
    },
}

TICKET_SCHEME: Final = "readTicket"
_TICKET: Final[Schema] = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "hex of a read ticket signed by a key of the account",
    "description": "Only where the node's reads are scoped. x-reads of an operation: public (no ticket), reduced "
    "(without a ticket less is told), own rows (what concerns the ticket's account), parties (whom it concerns), "
    "office (regulator and auditor, who may read all others too). At most 1 hour; hnchain wallet ticket makes one.",
}


class SchemaBook:
    """The schemas of types in their JSON form; every Record is a component of its own name.

    Types that are read and types that are written differ in one thing: numbers above 2**53 are written as text.
    """

    def __init__(self) -> None:
        self.components: Final[dict[str, Schema]] = {"Receipt": _RECEIPT, "Problem": _PROBLEM}

    def of_type(self, of: Any, reading: bool) -> Schema:
        """The schema of a type; `reading`: the API reads it."""
        return self._schema(inspect.type_info(of), reading)

    def _schema(self, info: inspect.Type, reading: bool) -> Schema:
        form = "hex"
        if isinstance(info, inspect.Metadata):
            form, info = (info.extra or {}).get("form", "hex"), info.type
        match info:
            case inspect.BytesType():
                return _bytes_schema(info, form)
            case inspect.IntType():
                return _integer_schema(info, form, reading)
            case inspect.StrType():
                return _text_schema(info)
            case inspect.BoolType():
                return {"type": "boolean"}
            case inspect.NoneType():
                return {"type": "null"}
            case inspect.LiteralType():
                return {"enum": list(info.values)}
            case inspect.EnumType():
                return {"enum": [member.value for member in info.cls]}
            case inspect.VarTupleType():
                return {"type": "array", "items": self._schema(info.item_type, reading), **_array_bounds(info)}
            case inspect.TupleType():
                items = [self._schema(of, reading) for of in info.item_types]
                return {"type": "array", "prefixItems": items, "items": False, "minItems": len(items)}
            case inspect.UnionType():
                return self._union(info, reading)
            case inspect.StructType():
                return self._component(info, reading)
            case _:
                raise TypeError(f"no JSON schema for {info}")

    def _union(self, info: inspect.UnionType, reading: bool) -> Schema:
        found = []
        for member in info.types:
            schema = self._schema(member, reading)
            if isinstance(member, inspect.StructType) and member.tag is not None:
                schema = {
                    "type": "object", "required": ["kind", "body"], "additionalProperties": False,
                    "properties": {"kind": {"const": member.tag}, "body": schema},
                }  # fmt: skip
            found.append(schema)
        return {"anyOf": found}

    def _component(self, info: inspect.StructType, reading: bool) -> Schema:
        name = info.cls.__name__ + ("Input" if reading else "")
        if name not in self.components:
            self.components[name] = {}  # stands for itself while its fields are described
            schema: Schema = {
                "type": "object",
                "additionalProperties": False,
                "properties": {field.encode_name: self._schema(field.type, reading) for field in info.fields},
            }
            required = [field.encode_name for field in info.fields if field.required or not reading]
            for field in info.fields:
                kind = kind_field(field.type)
                if kind is not None:
                    kinds = [row["properties"] for row in schema["properties"][field.encode_name]["anyOf"]]
                    schema["properties"][kind] = {"enum": [row["kind"]["const"] for row in kinds]}
                    schema["properties"][field.encode_name] = {"anyOf": [row["body"] for row in kinds]}
                    required.append(kind)
            if required:
                schema["required"] = required
            if info.cls.__doc__:
                schema["description"] = " ".join(info.cls.__doc__.split())
            self.components[name] = schema
        return {"$ref": f"#/components/schemas/{name}"}

    def transaction(self) -> Schema:
        """The signed JSON form: the kinds are told apart by `kind`."""
        bodies = inspect.type_info(Body)
        assert isinstance(bodies, inspect.UnionType), "a body is one of many kinds"
        kinds = [
            {"properties": {"kind": {"const": member.tag}, "body": self._component(member, reading=True)}}
            for member in bodies.types
            if isinstance(member, inspect.StructType)
        ]
        self.components["TransactionInput"] = {
            "type": "object",
            "required": ["kind", "chain_id", "sender", "nonce", "valid_until", "body", "signatures"],
            "properties": {
                "kind": {"type": "string"},
                "chain_id": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
                "sender": _ADDRESS,
                "nonce": {"type": "string", "pattern": "^[0-9a-f]{32}$", "description": "random"},
                "valid_until": {"type": "integer", "description": "unix seconds, at most 600 ahead of block time"},
                "body": {"type": "object"},
                "signatures": {"type": "array", "minItems": 1, "items": self.of_type(KeySignature, reading=True)},
            },
            "oneOf": kinds,
        }
        return {"$ref": "#/components/schemas/TransactionInput"}


def _bytes_schema(info: inspect.BytesType, form: str) -> Schema:
    match form:
        case "address":
            return _ADDRESS
        case "text":
            raw = {"type": "object", "properties": {"hex": {"type": "string"}}, "required": ["hex"]}
            return {"anyOf": [{"type": "string"}, raw]}
        case "base64":
            return {"type": "string", "contentEncoding": "base64"}
        case _:
            length = f"{{{2 * info.min_length}}}" if info.min_length and info.min_length == info.max_length else "*"
            return {"type": "string", "pattern": f"^[0-9a-f]{length}$"}


def _integer_schema(info: inspect.IntType, form: str, reading: bool) -> Schema:
    if reading and form != "amount":
        bounds = {"minimum": info.ge, "maximum": info.le}
        return {"type": "integer", **{name: value for name, value in bounds.items() if value is not None}}
    note = "decimal text or integer" if reading else "an integer; above 2^53 - 1 decimal text"
    return {"type": ["integer", "string"], "pattern": _AMOUNT, "description": note}


def _text_schema(info: inspect.StrType) -> Schema:
    pattern = None if info.pattern is None else info.pattern.replace(r"\Z", "$")
    bounds = {"minLength": info.min_length, "maxLength": info.max_length, "pattern": pattern}
    return {"type": "string", **{name: value for name, value in bounds.items() if value is not None}}


def _array_bounds(info: inspect.VarTupleType) -> Schema:
    bounds = {"minItems": info.min_length, "maxItems": info.max_length}
    return {name: value for name, value in bounds.items() if value is not None}


def _parameters(route: Route, book: SchemaBook) -> Iterable[Schema]:
    for segment in route.path.split("/"):
        if segment[:1] == "{":
            yield {"name": segment[1:-1], "in": "path", "required": True, "schema": {"type": "string"}}
    for field in msgspec.structs.fields(route.query):
        schema = book.of_type(field.type, reading=True)
        if field.default not in (msgspec.NODEFAULT, ""):
            schema = {**schema, "default": field.default}
        yield {"name": field.encode_name, "in": "query", "required": field.required, "schema": schema}


def _answers(route: Route, book: SchemaBook) -> Schema:
    content: Schema = {JSON: {"schema": {}}}
    if isinstance(route.answers, str):
        content = {route.answers: {}}
    elif route.answers is not None:
        content = {JSON: {"schema": book.of_type(route.answers, reading=False)}}
    elif route.path == "/v1/transactions":
        content = {JSON: {"schema": {"$ref": "#/components/schemas/Receipt"}}}
    answers: Schema = {"200": {"description": "done", "content": content}}
    if route.path == "/v1/transactions":
        pending = {"type": "object", "properties": {"id": {"type": "string"}, "status": {"const": "pending"}}}
        answers["202"] = {"description": "admitted, not yet committed", "content": {JSON: {"schema": pending}}}
    problem = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    answers["default"] = {"description": "a problem, with its code and what to do", "content": problem}
    return answers


def _request_body(route: Route, book: SchemaBook) -> Schema | None:
    if route.path == "/v1/transactions":
        return {"required": True, "content": {
            JSON: {"schema": book.transaction()}, MSGPACK: {}, BULK: {},
        }}  # fmt: skip
    if route.body is None:
        return None
    return {"required": True, "content": {JSON: {"schema": book.of_type(route.body, reading=True)}}}


def _security(route: Route) -> Schema:
    """Who may read it where reads are scoped; a ticket changes nothing on a node whose reads are open."""
    scope = access_of(route).scope
    optional: list[Schema] = [{TICKET_SCHEME: []}, {}]
    return {"x-reads": scope.value} | ({} if scope is Scope.PUBLIC else {"security": optional})


def openapi_document(routes: Iterable[Route], version: str) -> Schema:
    """The document, ready for a JSON writer."""
    book = SchemaBook()
    paths: dict[str, Schema] = {}
    for route in routes:
        operation: Schema = {
            "summary": route.summary,
            "operationId": route.handle.__name__,
            "parameters": list(_parameters(route, book)),
            "responses": _answers(route, book),
            **_security(route),
        }
        body = _request_body(route, book)
        if body is not None:
            operation["requestBody"] = body
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    codes = "\n".join(f"- {code_text(code)} {code.name}" for code in Code)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "hnchain node",
            "version": version,
            "description": "Amounts are whole numbers: units of a class, fen (0.01 CNY) or uY (1/10000 fen), named in "
            "the field. A number with a point or an exponent is refused, also 5.0.\n\nCodes:\n" + codes,
        },
        "paths": paths,
        "components": {"schemas": book.components, "securitySchemes": {TICKET_SCHEME: _TICKET}},
    }
