"""Which network a command loads, and the line on the terminal while it does."""

import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click

from benchmarks.network import Network, Origin, running_network, throwaway_network
from benchmarks.run import RunFailed, Tell
from benchmarks.signed_file import read_recipe
from benchmarks.workload import Profile, Scene, scene_of
from chainnode.devnet import is_devnet, open_devnet
from chainnode.failures import NodeFailure
from cli.language import t
from cli.network import DEVNET_DIRECTORY
from cli.output import say
from cli.verdicts import Refusal, Verdict, usage
from primitives.codec import Malformed
from primitives.codes import Code

TOURISTS: Final = 1_000
TOURISTS_RUNNING: Final = 100  # of a network that runs already: their accounts are opened on it


def failed(error: RunFailed | OSError) -> Refusal:
    """What a command says of a load that could not be made."""
    if isinstance(error, OSError):
        return Refusal(Verdict.UNREACHABLE, Code.NODE_UNREACHABLE, str(error))
    return Refusal(Verdict.USAGE if error.code is Code.USAGE else Verdict.UNKNOWN, error.code, str(error))


@contextmanager
def chosen_network(
    directory: Path | None, nodes: tuple[str, ...], validators: int, tourists: int | None, profile: Profile,
    signed: Path | None = None,
) -> Iterator[Network]:  # fmt: skip
    """The running network of `directory` or of .devnet, else one made for the command.

    `signed`: make the network again that these transactions are for. Raises: Refusal.
    """
    try:
        special = signed is not None or scene_of(profile) != Scene()  # asks for a genesis of its own
        if directory is None and not special and _runs(Path(DEVNET_DIRECTORY)):
            directory = Path(DEVNET_DIRECTORY)
        if directory is not None and signed is not None:
            raise usage(t("--signed makes a network of its own: it does not go with --dir",
                          "--signed 会新建专用网络，不能与 --dir 同用"))  # fmt: skip
        if directory is not None:
            yield running_network(directory, tourists or TOURISTS_RUNNING, nodes)
            return
        if nodes:
            raise usage(t("--node needs --dir: the keys that sign are in the network's folder",
                          "--node 需要 --dir：签名密钥位于网络目录中"))  # fmt: skip
        origin = None if signed is None else _origin(signed, validators)
        say(t(f"a throw-away network of {validators} validators", f"临时网络：{validators} 个验证节点"))
        with throwaway_network(
            validators, tourists or TOURISTS, Path.cwd(), profile, origin=origin
        ) as network:  # fmt: skip
            yield network
    except NodeFailure as error:
        raise usage(str(error)) from error


def _origin(signed: Path, validators: int) -> Origin:
    if not signed.exists():
        return Origin(secrets.token_bytes(32), int(time.time()))
    try:
        recipe = read_recipe(signed)
    except (Malformed, OSError) as error:
        raise usage(str(error)) from error
    if recipe.validators != validators:
        raise usage(t(f"{signed} was signed for {recipe.validators} validators",
                      f"{signed} 是为 {recipe.validators} 个验证节点签名的"),
                    f"--validators {recipe.validators}")  # fmt: skip
    return Origin(recipe.seed, recipe.genesis_s)


def _runs(directory: Path) -> bool:
    """Whether a node of the network in this folder runs."""
    if not is_devnet(directory):
        return False
    devnet = open_devnet(directory)
    return any(devnet.process(place) is not None for place in devnet.places)


def progress() -> Tell:
    """One line on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        return lambda _what, _part: None
    names = {
        "prepare": t("accounts and points", "准备账户与积分"), "sign": t("signing", "预签名"),
        "load": t("load", "施加负载"), "inspect": t("comparing with the chain", "与链上核对"),
    }  # fmt: skip

    def tell(what: str, part: float) -> None:
        click.echo(f"\r\033[K{names[what]} {part:.0%}" if part else f"\r\033[K{names[what]} ...", nl=False, err=True)
        if what == "inspect":
            click.echo("\r\033[K", nl=False, err=True)

    return tell
