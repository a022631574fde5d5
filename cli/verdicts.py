"""How a command can fail, and the exit code that says so. Everything else is a bug."""

from enum import IntEnum
from typing import Any

from primitives.codes import Code, code_text


class Verdict(IntEnum):
    """Process exit codes; 1 is only ever a definite no."""

    DONE = 0
    REJECTED = 1
    USAGE = 2
    UNKNOWN = 3
    UNREACHABLE = 4
    KEYSTORE = 5
    DAMAGED = 74
    DISK_FULL = 75


class Refusal(Exception):
    """A command ends without having done what was asked. `more` joins the JSON answer (a receipt, an id)."""

    def __init__(self, verdict: Verdict, code: int, detail: str, fix: str = "", **more: Any) -> None:
        super().__init__(detail)
        self.verdict = verdict
        self.code = code
        self.detail = detail
        self.fix = fix
        self.more = more

    def plain(self) -> dict[str, Any]:
        """The JSON answer, with the members of problem+json that the API uses."""
        return {"code": code_text(self.code), "name": code_name(self.code), "detail": self.detail, "fix": self.fix,
                "exit_code": int(self.verdict), **self.more}  # fmt: skip


def code_name(code: int) -> str:
    """The code's public name; the bare number if a newer node sent one that this release does not know."""
    try:
        return Code(code).name
    except ValueError:
        return str(code)


def usage(detail: str, fix: str = "") -> Refusal:
    """A wrong argument, file or setting: exit 2."""
    return Refusal(Verdict.USAGE, Code.USAGE, detail, fix)


def keystore_refused() -> Refusal:
    """Wrong passphrase or damaged file: one sentence for both, so that a guesser learns nothing (K01)."""
    from cli.language import t

    detail = t("wrong passphrase or damaged keystore", "口令错误或密钥文件已损坏")
    return Refusal(Verdict.KEYSTORE, Code.KEYSTORE_LOCKED, detail)


def failure_refusal(error: Any) -> Refusal:
    """A node's failure (it has an exit_code) as a refusal with the same exit code."""
    refused = Code.DIRECTORY_LOCKED if "is in use by" in str(error) else Code.USAGE
    if "the genesis given is of" in str(error):
        refused = Code.WRONG_GENESIS
    known = {2: refused, 4: Code.NOT_READY, 74: Code.LEDGER_DAMAGED, 75: Code.DISK_FULL}
    exit_code = error.exit_code if error.exit_code in known else 2
    return Refusal(Verdict(exit_code), known[exit_code], str(error))
