"""`hnchain wallet key`, `guardians`, `recover`: who may sign for an account, and new keys where the old are lost."""

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, TypeVar, get_args

import click

from cli.amounts import AMOUNT, HEX, SIGNATURE_HEX
from cli.language import example, t
from cli.network import Network, with_network
from cli.output import answer, day_text, say, table, with_output
from cli.read_tickets import Successor, TicketBook
from cli.submission import Sending, send_as, with_sending
from cli.verdicts import usage
from cli.wallets import Signer, adopt_account, resolve, with_signer
from primitives.address import encode_address
from primitives.kinds import AccountKey, KeyAdd, KeyRevoke, KeyRole, RecoveryStart
from primitives.kinds_identity import GuardiansSet, KeyLimit, RecoveryApprove, RecoveryCancel, RecoveryFinish
from primitives.recovery import recovery_id
from primitives.transaction import key_proof_digest

F = TypeVar("F", bound=Callable[..., Any])
DELAY_HOURS: Final = 72


def _with_keys(required: bool) -> Callable[[F], F]:
    """Adds --key and --threshold: the keys of a recovery in the order in which their owner read them out."""

    def decorate(command: F) -> F:
        keys = click.option("--key", "keys", type=HEX, multiple=True, required=required,
                            help=t("A new public key, as its owner tells it; repeat for more.",
                                   "新公钥，由本人告知，可重复。"))  # fmt: skip
        threshold = click.option("--threshold", type=AMOUNT, default="1", show_default=True,
                                 help=t("New keys that must sign together.", "须共同签名的新密钥数。"))  # fmt: skip
        return keys(threshold(command))

    return decorate


def _keys(keys: tuple[bytes, ...]) -> tuple[AccountKey, ...]:
    return tuple(AccountKey(key) for key in keys)


@click.group("key", help=t("The keys of an account.", "账户的密钥。"),
             epilog=example("hnchain wallet key limit PUBLIC_KEY --limit 50000 --as me"))  # fmt: skip
def key_group() -> None:
    pass


_ROLE = click.option("--role", type=click.Choice(get_args(KeyRole)), default="owner", show_default=True,
                     help=t("What it may sign.", "密钥用途。"))  # fmt: skip


@key_group.command("prove", help=t("The new key signs that it joins ACCOUNT; its owner gets PUBLIC_KEY and the proof.",
                                   "新密钥签名同意加入 ACCOUNT，输出公钥与证明，交给账户所有者。"),
                   epilog=example("hnchain wallet key prove hotel --role pos --as till"))  # fmt: skip
@click.argument("account")
@_ROLE
@with_network
@with_signer
@with_output
def prove_key(account: str, role: KeyRole, network: Network, signer: Signer) -> None:
    key = signer.unlock().key
    digest = key_proof_digest(network.chain_id(), resolve(account, network), key.public_key, role)
    public, proof = key.public_key.hex(), key.sign(digest).hex()
    command = f"hnchain wallet key add {public} --proof {proof} --role {role}"
    answer({"key": public, "role": role, "proof": proof}, command)


@key_group.command("add", help=t("One more key for the account; the new key's wallet prints the command: key prove.",
                                 "为账户添加密钥；在新密钥的钱包里执行 key prove 可得到完整命令。"),
                   epilog=example("hnchain wallet key add PUBLIC_KEY --proof PROOF --role pos --as hotel"))
@click.argument("public_key", type=HEX)
@click.option("--proof", type=SIGNATURE_HEX, required=True, help=t("Of `key prove`.", "key prove 的输出。"))
@_ROLE
@click.option("--limit", type=AMOUNT, help=t("Fen that it may move per day (UTC+8).", "每日限额（分，北京时间）。"))
@with_network
@with_signer
@with_sending
@with_output
def add_key(
    public_key: bytes, proof: bytes, role: KeyRole, limit: int | None, network: Network, signer: Signer,
    sending: Sending,
) -> None:  # fmt: skip
    send_as(network, signer, KeyAdd(public_key, role, limit, proof), sending)


@key_group.command("revoke", help=t("A key of the account ends.", "撤销账户的密钥。"),
                   epilog=example("hnchain wallet key revoke PUBLIC_KEY --as me"))  # fmt: skip
@click.argument("public_key", type=HEX)
@with_network
@with_signer
@with_sending
@with_output
def revoke_key(public_key: bytes, network: Network, signer: Signer, sending: Sending) -> None:
    send_as(network, signer, KeyRevoke(public_key), sending)


@key_group.command("limit", help=t("Another daily limit for a key; without --limit none.",
                                   "调整密钥的每日限额；不带 --limit 为不限。"),
                   epilog=example("hnchain wallet key limit PUBLIC_KEY --limit 50000 --as me"))  # fmt: skip
@click.argument("public_key", type=HEX)
@click.option("--limit", type=AMOUNT, help=t("Fen that it may move per day (UTC+8).", "每日限额（分，北京时间）。"))
@with_network
@with_signer
@with_sending
@with_output
def limit_key(public_key: bytes, limit: int | None, network: Network, signer: Signer, sending: Sending) -> None:
    send_as(network, signer, KeyLimit(public_key, limit), sending)


@click.group(help=t("Who may recover the account.", "谁能帮助找回账户。"),
             epilog=example("hnchain wallet guardians set bob carol hotel --as me"))  # fmt: skip
def guardians() -> None:
    pass


@guardians.command("set", help=t("Name the guardians; more than half of them decide unless --threshold says otherwise.",
                                 "指定守护人；默认须过半数同意。"),
                   epilog=example("hnchain wallet guardians set bob carol hotel --threshold 2 --as me"))  # fmt: skip
@click.argument("names", metavar="NAME...", nargs=-1)
@click.option("--threshold", type=AMOUNT, help=t("Guardians that must agree.", "须同意的守护人数。"))
@click.option("--none", "nobody", is_flag=True, help=t("Have no guardians.", "不设守护人。"))
@with_network
@with_signer
@with_sending
@with_output
def set_guardians(
    names: tuple[str, ...], threshold: int | None, nobody: bool, network: Network, signer: Signer, sending: Sending
) -> None:
    if nobody == bool(names):
        raise usage(t("name the guardians, or say --none", "请列出守护人，或使用 --none"), "NAME... | --none")
    chosen = tuple(resolve(name, network) for name in names)
    majority = len(chosen) // 2 + 1 if chosen else 0
    send_as(network, signer, GuardiansSet(chosen, majority if threshold is None else threshold), sending)


@click.group(help=t("New keys for an account whose keys are lost: key, start, approve, wait 72 hours, finish, adopt.",
                    "找回丢失密钥的账户：key、start、approve、等待 72 小时、finish、adopt。"),
             epilog=example("hnchain wallet recover start hn1... --key PUBLIC_KEY --as guardian"))  # fmt: skip
def recover() -> None:
    pass


@recover.command("key", help=t("What the owner of the lost account reads out to the guardians.",
                               "失主告知守护人的内容。"),
                 epilog=example("hnchain wallet recover key hn1... --as new"))  # fmt: skip
@click.argument("account")
@with_network
@with_signer
@with_output
def key_to_tell(account: str, network: Network, signer: Signer) -> None:
    who = resolve(account, network)
    public = signer.unlock().key.public_key
    found = recovery_id(who, _keys((public,)), 1).hex()
    plain = {"account": encode_address(who), "keys": [public.hex()], "threshold": 1, "recovery": found}
    command = f"hnchain wallet recover start {plain['account']} --key {public.hex()}"
    answer(plain, t(f"tell your guardians, by voice:\n  {command}",
                    f"请当面或通话告知守护人：\n  {command}"))  # fmt: skip


@recover.command(help=t("A guardian proposes the new keys.", "守护人提出新密钥。"),
                 epilog=example("hnchain wallet recover start hn1... --key PUBLIC_KEY --as bob"))  # fmt: skip
@click.argument("account")
@_with_keys(required=True)
@click.option("--yes", is_flag=True, help=t("Do not ask.", "不再确认。"))
@with_network
@with_signer
@with_sending
@with_output
def start(
    account: str, keys: tuple[bytes, ...], threshold: int, yes: bool, network: Network, signer: Signer,
    sending: Sending,
) -> None:  # fmt: skip
    who = resolve(account, network)
    _confirm(yes)
    text = t(f"proposed; once enough guardians approve, {DELAY_HOURS} hours begin",
             f"已提出；足够的守护人同意后，开始 {DELAY_HOURS} 小时等待期")  # fmt: skip
    send_as(network, signer, RecoveryStart(who, _keys(keys), threshold), sending, text)


@recover.command(help=t("A guardian approves the keys that the owner read out, no others.",
                        "守护人同意本人告知的密钥；其他密钥不会被同意。"),
                 epilog=example("hnchain wallet recover approve hn1... --key PUBLIC_KEY --as carol"))  # fmt: skip
@click.argument("account")
@_with_keys(required=True)
@click.option("--yes", is_flag=True, help=t("Do not ask.", "不再确认。"))
@with_network
@with_signer
@with_sending
@with_output
def approve(
    account: str, keys: tuple[bytes, ...], threshold: int, yes: bool, network: Network, signer: Signer,
    sending: Sending,
) -> None:  # fmt: skip
    who = resolve(account, network)
    _confirm(yes)
    send_as(network, signer, RecoveryApprove(who, recovery_id(who, _keys(keys), threshold)), sending)


def _confirm(yes: bool) -> None:
    say(t("whoever holds the private part of these keys will have the account and its points",
          "持有这些密钥私钥的人将得到该账户及其积分"))  # fmt: skip
    if not yes and sys.stdin.isatty():
        click.confirm(t("Did the owner tell you these keys in person or by voice?",
                        "这些密钥是否由本人当面或通话告知？"), abort=True, err=True)  # fmt: skip


@recover.command(help=t("A guardian takes the approval back.", "守护人撤回同意。"),
                 epilog=example("hnchain wallet recover withdraw hn1... --as bob"))  # fmt: skip
@click.argument("account")
@with_network
@with_signer
@with_sending
@with_output
def withdraw(account: str, network: Network, signer: Signer, sending: Sending) -> None:
    send_as(network, signer, RecoveryCancel(resolve(account, network)), sending)


@recover.command(help=t("The owner ends every recovery of the account.", "所有者终止对其账户的一切找回。"),
                 epilog=example("hnchain wallet recover cancel --as me"))  # fmt: skip
@with_network
@with_signer
@with_sending
@with_output
def cancel(network: Network, signer: Signer, sending: Sending) -> None:
    send_as(network, signer, RecoveryCancel(), sending)


@recover.command(help=t("After the delay: the new keys take the place of the old. Any account may send it.",
                        "等待期满：新密钥取代旧密钥，任何账户均可发送。"),
                 epilog=example("hnchain wallet recover finish hn1... --as bob"))  # fmt: skip
@click.argument("account")
@_with_keys(required=False)
@with_network
@with_signer
@with_sending
@with_output
def finish(
    account: str, keys: tuple[bytes, ...], threshold: int, network: Network, signer: Signer, sending: Sending
) -> None:
    who = resolve(account, network)
    named = recovery_id(who, _keys(keys), threshold) if keys else None
    send_as(network, signer, RecoveryFinish(who, named), sending)


@recover.command(help=t("Let a wallet on this machine sign for the recovered account from now on.",
                        "让本机钱包从此为找回的账户签名。"),
                 epilog=example("hnchain wallet recover adopt hn1... --as new"))  # fmt: skip
@click.argument("account")
@with_network
@with_signer
@with_output
def adopt(account: str, network: Network, signer: Signer) -> None:
    who = resolve(account, network)
    opened = signer.unlock()
    public = opened.key.public_key.hex()
    network = replace(network, tickets=TicketBook(network, lambda _target: Successor(opened, who)))
    listed = network.client().get(f"/v1/accounts/{encode_address(who)}")["keys"]
    if public not in [row["key"] for row in listed]:
        raise usage(t(f"the account does not have the key {public}", f"该账户没有密钥 {public}"),
                    "hnchain wallet recover finish")  # fmt: skip
    adopt_account(signer.wallet, who)
    plain = {"name": signer.wallet.name, "address": encode_address(who)}
    answer(plain, t(f"{signer.wallet.name} signs for {plain['address']}",
                    f"{signer.wallet.name} 现为 {plain['address']} 签名"))  # fmt: skip


@recover.command(help=t("Guardians and open recoveries of an account.", "账户的守护人与进行中的找回。"),
                 epilog=example("hnchain wallet recover show hn1..."))  # fmt: skip
@click.argument("account")
@with_network
@with_output
def show(account: str, network: Network) -> None:
    plain = network.client().get(f"/v1/accounts/{encode_address(resolve(account, network))}/recovery")
    rows = [
        (row["recovery"][:16], " ".join(key["key"][:16] for key in row["keys"]), len(row["approvals"]),
         day_text(row["ready_at"]) if row["ready_at"] else "-")
        for row in plain["recoveries"]
    ]  # fmt: skip
    headers = (t("recovery", "找回"), t("keys", "密钥"), t("approvals", "同意"),
               t("ready (UTC+8)", "可完成（北京时间）"))  # fmt: skip
    count = len(plain["guardians"])
    head = t(f"guardians: {count}, {plain['needed']} must agree", f"守护人 {count} 名，须 {plain['needed']} 名同意")
    if plain["next"]:
        when, chosen = day_text(plain["next"]["from"]), len(plain["next"]["guardians"])
        head += "\n" + t(f"from {when} (UTC+8) on: {chosen} others", f"自 {when}（北京时间）起改为 {chosen} 名")
    answer(plain, head + "\n" + table(headers, rows))
