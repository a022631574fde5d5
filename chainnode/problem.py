"""Errors as RFC 9457 problem documents: code, name, phase, detail, fix, in the reader's language."""

from collections.abc import Mapping
from typing import Any, Final, Literal

from primitives.catalogue import Language, explain
from primitives.codes import Code, code_text

MEDIA_TYPE: Final = "application/problem+json"
DETAIL_CHARS_MAX: Final = 512  # details may quote what a client sent
RETRY_AFTER_S: Final = 1

Phase = Literal["request", "limits", "admission", "execution", "query", "node"]

# 400: cannot be understood. 409: understood, and the rules say no. The rest as in RFC 9110.
_STATUS: Final[dict[Code, int]] = {
    Code.DECODE: 400, Code.BAD_REQUEST: 400, Code.USAGE: 400, Code.NOT_FOUND: 404, Code.TOO_LARGE: 413,
    Code.POOL_FULL: 429, Code.SENDER_POOL_LIMIT: 429, Code.RATE_LIMITED: 429, Code.NOT_READY: 503,
    Code.OUTCOME_UNKNOWN: 504, Code.LEDGER_DAMAGED: 500, Code.DISK_FULL: 500,
    Code.PRUNED: 410, Code.NO_SNAPSHOT: 404,
}  # fmt: skip
_RETRY: Final = frozenset({429, 503})


class Refused(Exception):
    """Ends the handling of a request with a problem. `extra` are members beside the standard ones."""

    def __init__(
        self, code: Code, detail: str, phase: Phase = "request", status: int | None = None,
        headers: Mapping[str, str] | None = None, extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code: Final = code
        self.detail: Final = detail
        self.phase: Final[Phase] = phase
        self.status: Final = status_for(code) if status is None else status
        self.extra: Final = dict(extra or {})
        self.headers: Final = dict(headers or {})
        if self.status in _RETRY:
            self.headers.setdefault("Retry-After", str(RETRY_AFTER_S))


def status_for(code: Code) -> int:
    """The HTTP status of a refusal; 409 for everything that the rules refuse."""
    return _STATUS.get(code, 409)


def problem_document(refused: Refused, language: Language) -> dict[str, Any]:
    """The members of the JSON document."""
    entry = explain(refused.code, language)
    return {
        "type": f"urn:hnchain:code:{code_text(refused.code)}",
        "title": entry.title,
        "status": refused.status,
        "detail": refused.detail[:DETAIL_CHARS_MAX],
        "code": code_text(refused.code),
        "name": refused.code.name,
        "phase": refused.phase,
        "fix": entry.fix,
        **refused.extra,
    }


def language_of(accept_language: str) -> Language:
    """zh or en from an Accept-Language header; the first of the two that it names wins, English by default."""
    for part in accept_language[:200].lower().split(","):
        tag = part.split(";")[0].strip()
        if tag.startswith("zh"):
            return "zh"
        if tag.startswith("en"):
            return "en"
    return "en"
