"""Where a passphrase comes from: a prompt without echo, a file descriptor, or a file of mode 0600. (K05)."""

import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

import click

from cli.keystore import PASSPHRASE_BYTES_MAX
from cli.language import t
from cli.verdicts import usage


@dataclass(frozen=True, slots=True)
class PassphraseSource:
    """At most one of the two is set; neither: prompt."""

    descriptor: int | None
    file: Path | None

    def read(self, prompt: str, confirm: bool = False) -> bytes:
        """The passphrase, without the line's end.

        Raises: Refusal (exit 2) if there is no terminal to ask, the file is open to others, or it is too long.
        """
        if self.descriptor is not None and self.file is not None:
            raise usage(t("--passphrase-fd and --passphrase-file exclude each other",
                          "--passphrase-fd 与 --passphrase-file 不能同时使用"))  # fmt: skip
        if self.descriptor is not None:
            return _from_descriptor(self.descriptor)
        if self.file is not None:
            return read_secret_file(self.file)
        return _from_prompt(prompt, confirm)


def read_secret_file(path: Path) -> bytes:
    """The first line's content of a file that only its owner may read."""
    try:
        with open(path, "rb") as stream:
            mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
            if mode & 0o077:
                raise usage(t(f"{path}: mode {mode:04o}, expected 0600", f"{path}：权限 {mode:04o}，应为 0600"),
                            f"chmod 600 {path}")  # fmt: skip
            return _line(stream.read(PASSPHRASE_BYTES_MAX + 2))
    except OSError as error:
        raise usage(f"{path}: {error.strerror}") from error


def _from_descriptor(descriptor: int) -> bytes:
    try:
        with open(descriptor, "rb", closefd=False) as stream:
            return _line(stream.read(PASSPHRASE_BYTES_MAX + 2))
    except OSError as error:
        raise usage(f"--passphrase-fd {descriptor}: {error.strerror}") from error


def _from_prompt(prompt: str, confirm: bool) -> bytes:
    if not sys.stdin.isatty():
        raise usage(t("a passphrase is needed and stdin is no terminal", "需要口令，但标准输入不是终端"),
                    t("use --passphrase-file FILE (mode 0600) or --passphrase-fd N",
                      "请用 --passphrase-file 文件（权限 0600）或 --passphrase-fd N"))  # fmt: skip
    text: str = click.prompt(prompt, hide_input=True, confirmation_prompt=confirm, err=True)
    return _line(text.encode())


def _line(raw: bytes) -> bytes:
    line = raw.removesuffix(b"\n").removesuffix(b"\r")
    if len(line) > PASSPHRASE_BYTES_MAX:
        raise usage(t(f"a passphrase has at most {PASSPHRASE_BYTES_MAX} bytes",
                      f"口令最长 {PASSPHRASE_BYTES_MAX} 字节"))
    return line
