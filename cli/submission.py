"""From a body to its outcome: envelope, signatures, sending, waiting, and the answer on stdout."""

import functools
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import click

from cli.client import Client, Fate, Signed, problem_code
from cli.language import current, t
from cli.network import Network
from cli.output import answer, say
from cli.proven_reads import read_receipt
from cli.trust_options import open_outsider
from cli.verdicts import Refusal, Verdict, code_name
from cli.wallets import Signer
from primitives.catalogue import explain
from primitives.codes import Code, code_text
from primitives.keys import Address, SigningKey
from primitives.kinds import Body, kind_of
from primitives.receipt import status_of
from primitives.receipt_form import receipt_to_plain
from primitives.transaction import VALIDITY_SECONDS_MAX, Envelope, sign_transaction, transaction_id

F = TypeVar("F", bound=Callable[..., Any])
VALID_SECONDS: Final = VALIDITY_SECONDS_MAX // 2  # leaves room for a clock that is minutes off
TIMEOUT_SECONDS: Final = 30.0
NONCE_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Sending:
    """How long to wait for a transaction's outcome; wait False: until a node has taken it. `believe`: without proof."""

    wait: bool = True
    timeout_s: float = TIMEOUT_SECONDS
    believe: bool = False


def with_sending(command: F) -> F:
    """Adds --wait/--no-wait, --timeout and --trust; the command gets `sending`."""

    @click.option("--wait/--no-wait", default=True, show_default=True,
                  help=t("Wait until it is committed.", "等待上链确认。"))  # fmt: skip
    @click.option("--timeout", "timeout_s", type=click.FloatRange(0.1, 3600), default=TIMEOUT_SECONDS,
                  show_default=True, metavar="SECONDS",
                  help=t("After that the outcome is unknown (exit 3).", "超过后结果未知（退出码 3）。"))  # fmt: skip
    @click.option("--trust", "believe", is_flag=True,
                  help=t("Take the node's word for the outcome.", "直接采信节点所报的结果。"))  # fmt: skip
    @functools.wraps(command)
    def wrapper(*args: Any, wait: bool, timeout_s: float, believe: bool, **kwargs: Any) -> Any:
        return command(*args, sending=Sending(wait, timeout_s, believe), **kwargs)

    return wrapper  # type: ignore[return-value]  # adds options only


def block_time(client: Client) -> int:
    """The second against which valid_until and expiries count: this machine's, or the test clock's last block."""
    status = client.get("/v1/status")
    if status["test_clock"]:
        return max(int(status["clock_ms"]), int(status["block_time_ms"])) // 1000
    return int(time.time())


def sign(chain_id: bytes, sender: Address, body: Body, keys: Sequence[SigningKey], valid_until: int) -> Signed:
    """A fresh transaction: its nonce is random."""
    envelope = Envelope(chain_id, sender, os.urandom(NONCE_BYTES), valid_until, body)
    return Signed(sign_transaction(envelope, keys), transaction_id(envelope).hex(), valid_until)


def outcome(network: Network, signed: Signed, sending: Sending) -> Any:
    """Send, wait, and demand the proof of the receipt before it is believed. Returns and raises as settle."""
    fate = network.client().submit(signed, sending.wait, sending.timeout_s)
    if fate.receipt is not None and sending.wait and not sending.believe:
        fate = proven_fate(network, fate, signed.id)
    return settle(fate, signed.id)


def proven_fate(network: Network, fate: Fate, transaction_id_hex: str) -> Fate:
    """The fate that the receipt's proof proves, whatever the node said: who said something else is named.

    Raises: Refusal OUTCOME_UNKNOWN (exit 3) if no node proves a receipt.
    """
    outsider = open_outsider(network)
    try:
        found = outsider.gather(lambda node: read_receipt(outsider, node, transaction_id_hex), 1, fate.node)[0]
    except Refusal as refusal:
        if refusal.verdict is Verdict.USAGE or refusal.more.get("evidence"):
            raise
        said = t(f"a node says {fate.status}, no node proves it", f"节点称 {fate.status}，但没有节点给出证明")
        more = {key: value for key, value in refusal.more.items() if key == "distrusted"}
        fix = t(f"ask again: hnchain tx show {transaction_id_hex}", f"稍后查询：hnchain tx show {transaction_id_hex}")
        raise Refusal(Verdict.UNKNOWN, Code.OUTCOME_UNKNOWN, said, fix, tx=transaction_id_hex, **more) from refusal
    receipt = found.value[1].receipt
    plain = receipt_to_plain(receipt)
    if fate.receipt != plain:
        told = fate.receipt.get("code") if isinstance(fate.receipt, dict) else fate.receipt
        said = f"{str(told)[:40]} {transaction_id_hex[:16]}"
        outsider.distrust(fate.node or found.node, "lying", said, f"{plain['code']} {receipt.height}.{receipt.index}")
    return Fate(status_of(receipt.code), plain, fate.problem, found.node)


def settle(fate: Fate, transaction_id_hex: str) -> Any:
    """The receipt of a committed fate, None of an admitted one; Refusal for the others."""
    match fate.status:
        case "committed":
            return fate.receipt
        case "admitted":
            return None
        case "expired":
            detail = t("it expired before any block took it and can no longer be executed",
                       "在进入区块前已过有效期，不会再被执行")  # fmt: skip
            raise Refusal(Verdict.REJECTED, Code.EXPIRED_TX, detail, tx=transaction_id_hex)
        case "rejected":
            raise rejected(fate, transaction_id_hex)


def rejected(fate: Fate, transaction_id_hex: str) -> Refusal:
    """Exit 1 with the receipt's code, or that of the node that refused it before any block."""
    receipt, problem = fate.receipt or {}, fate.problem or {}
    code = receipt.get("number", problem_code(problem, Code.BAD_REQUEST))
    detail = str(receipt.get("detail") or problem.get("detail") or "")
    more = {"receipt": fate.receipt} if fate.receipt else {}
    return Refusal(Verdict.REJECTED, int(code), detail, str(problem.get("fix", "")), tx=transaction_id_hex, **more)


def report(receipt: Any, body: Body, transaction_id_hex: str | None, text: str = "") -> None:
    """The answer of a command that sent one transaction."""
    if receipt is None:
        text = t("taken by a node; ask later: hnchain tx show ID", "节点已受理，稍后查询：hnchain tx show ID")
        answer({"status": "admitted", "tx": transaction_id_hex}, text)
        return
    answer(receipt, receipt_text(receipt, kind_of(body), text))


def receipt_text(receipt: Any, kind: str, text: str = "") -> str:
    """A receipt in a few lines."""
    height, index = receipt["height"], receipt["index"]
    lines = [text] if text else []
    lines.append(f"✓ {kind}  {t('committed', '已上链')}  {t('height', '高度')} {height}.{index}  {receipt['tx']}")
    if receipt.get("first"):
        first = receipt["first"]
        where = f"{first['height']}.{first['index']} {first['tx']}"
        lines.append(t(f"  the same order stands already at {where}", f"  同一订单此前已执行于 {where}"))
    return "\n".join(lines)


def send_and_report(
    network: Network, sender: Address, keys: Sequence[SigningKey], body: Body, sending: Sending, text: str = ""
) -> Any:
    """The receipt of the committed transaction, None with --no-wait; the answer stands on stdout.

    Raises: Refusal, exit 1 with the code if it was rejected, 3 if the outcome is unknown, 4 if no node was reached.
    """
    client = network.client()
    signed = sign(network.chain_id(), sender, body, keys, block_time(client) + VALID_SECONDS)
    say(f"{kind_of(body)} {signed.id}")
    receipt = outcome(network, signed, sending)
    report(receipt, body, signed.id, text)
    return receipt


def send_as(network: Network, signer: Signer, body: Body, sending: Sending, text: str = "") -> Any:
    """As send_and_report, signed by one wallet. Raises: Refusal, exit 5 where it does not open."""
    opened = signer.unlock()
    return send_and_report(network, opened.address, [opened.key], body, sending, text)


def refusal_text(refusal: Refusal) -> str:
    """One or two lines for stderr: number, sentence, detail, what to do."""
    entry = explain(refusal.code, current())
    head = f"{code_text(refusal.code)} {code_name(refusal.code)}"
    lines = [f"✗ {head}: " + " ".join(dict.fromkeys(part for part in (entry.title, refusal.detail) if part))]
    advice = refusal.fix or entry.fix
    if advice:
        lines.append(f"  {t('fix', '处理')}: {advice}")
    return "\n".join(lines)
