"""`hnchain demo`: a fresh network, a tourism year on it, and proof of every step."""

import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click

from chainnode.devnet import Devnet
from chainnode.devnet_calls import NoAnswer, Refused
from chainnode.devnet_layout import place_on
from chainnode.failures import NodeFailure
from chainnode.listening_ports import free_ports
from cli.demo_stage import Stage, StoryFailed
from cli.demo_story import morning, tell_year
from cli.devnet import make
from cli.language import example, t
from cli.network import read_genesis
from cli.output import answer, say, wants_json, with_output
from cli.verdicts import Refusal, Verdict
from primitives.codec import Malformed

NODES: Final = 4
PORTS_PER_NODE: Final = 4
STARTS: Final = 3  # a port that was free may be taken a moment later


@click.command(help=t("A tourism year on four fresh validators; ends 0 only if every receipt verified and every "
                      "invariant held.",
                      "在四个全新验证者上演示旅游的一年；全部凭证核验通过且不变量成立才返回 0。"),
               epilog=example("hnchain demo --lang zh"))  # fmt: skip
@click.option("--keep", is_flag=True, help=t("Leave the folder behind.", "保留数据目录。"))
@with_output
def demo(keep: bool) -> int:
    began = time.monotonic()
    interrupted: list[int] = []

    def interrupt(number: int, _frame: object) -> None:
        interrupted.append(number)  # a command that waits for an outcome turns the exception into an answer
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGINT, interrupt)
    root = Path(tempfile.mkdtemp(prefix="hnchain-demo-"))
    network: Devnet | None = None
    failed = False
    try:
        network = _start(root)
        stage = Stage(network, read_genesis(network.directory / "genesis.json"), _teller())
        _tell_start(stage, time.monotonic() - began)
        folder = root / "receipts"
        folder.mkdir()
        try:
            tell_year(stage, network.directory / "genesis.json", folder)
        except (StoryFailed, Malformed, Refusal, NoAnswer, Refused, NodeFailure) as error:
            failed = True
            stage.mourn(error)
            answer({"ok": False, "error": str(error), "steps": stage.record.steps}, "")
            return int(Verdict.REJECTED)
    finally:
        if network is not None:
            network.stop()
        if (interrupted or not failed) and not keep:
            shutil.rmtree(root, ignore_errors=True)
    seconds = time.monotonic() - began
    steps, verified = stage.record.steps, stage.record.verified
    end = t(f"\nAll nodes are stopped. {len(steps)} steps, {verified} receipts verified, {seconds:.0f} s.",
            f"\n已停止全部节点。{len(steps)} 步，核验凭证 {verified} 份，用时 {seconds:.0f} 秒。")  # fmt: skip
    answer({"ok": True, "steps": steps, "verified": verified}, end)
    return int(Verdict.DONE)


def _teller() -> Callable[[str], None]:
    return say if wants_json() else click.echo


def _start(root: Path) -> Devnet:
    """A network on free ports, ready. Raises: NodeFailure if it does not come up."""
    for attempt in range(STARTS):
        places = place_on(free_ports(NODES * PORTS_PER_NODE))
        now = morning(int(time.time()))
        network = make(root / f"network-{attempt}", places, secrets.token_bytes(32), True, classes=False, now=now)
        try:
            for place in places:
                network.start(place)
            network.wait_ready(places)
        except NodeFailure:
            network.stop()
            if attempt + 1 == STARTS:
                raise
        except BaseException:
            network.stop()
            raise
        else:
            return network
    raise AssertionError("the last attempt returns or raises")


def _tell_start(stage: Stage, seconds: float) -> None:
    stage.title(t("A year on Hainan: four validators, five merchants, two tourists",
                  "一链游海南：一年，四个验证者，五家商户，两位游客"))  # fmt: skip
    stage.done(t(f"four nodes are ready after {seconds:.1f} s on {stage.network.places[0].url} and three more",
                 f"四个节点就绪，用时 {seconds:.1f} 秒：{stage.network.places[0].url} 等"))  # fmt: skip
