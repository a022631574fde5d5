"""Every command: an example in its help, JSON on demand, exit codes as published, no secret in an argument."""

import gettext
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from cli import click_texts
from cli.language import choose
from cli.main import COMMANDS, build, run
from primitives.codes import Code
from tests.code_under_test import environment

ROOT = Path(__file__).resolve().parents[2]
LAZY = set(COMMANDS) - {"bench"}  # bench lives in a package of its own, with tests of its own
PUBLIC_READS = {"audit evidence"}  # what validators did wrong is for everybody
STREAMS = {"play", "completion", "node run", "devnet genesis"}  # JSON lines, scripts or files by nature


def commands(group: click.Group | None = None, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    group = group or build()
    with click.Context(group) as context:
        for name in group.list_commands(context):
            if not prefix and name not in LAZY:
                continue
            command = group.get_command(context, name)
            assert command is not None
            path = f"{prefix}{name}"
            yield path, command
            if isinstance(command, click.Group):
                yield from commands(command, f"{path} ")


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No network, no wallets of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HNCHAIN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.delenv("LC_ALL", raising=False)


def hnchain(*arguments: str, language: str = "C.UTF-8") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli", *arguments], capture_output=True, text=True, timeout=60,
        env=environment(LANG=language, LC_ALL=language),
    )


def test_every_command_shows_an_example_of_itself() -> None:
    found = list(commands())
    assert len(found) > 60
    for path, command in found:
        assert "Example: " in (command.epilog or ""), path
        if not isinstance(command, click.Group) and path != "merchant authorize":  # the payer's own, in both groups
            assert f"hnchain {path}" in (command.epilog or ""), path


def test_every_command_that_prints_has_json() -> None:
    for path, command in commands():
        if not isinstance(command, click.Group) and path not in STREAMS:
            assert any("--output" in parameter.opts for parameter in command.params), path


def test_every_option_says_what_it_is() -> None:
    for path, command in commands():
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{path} {parameter.opts}"


def test_no_option_stands_twice() -> None:
    """--as of a reader and of a signer would shadow each other: with_network stands above with_signer."""
    for path, command in commands():
        options = Counter(option for parameter in command.params for option in parameter.opts)
        for of in (options, Counter(str(parameter.name) for parameter in command.params)):
            assert max(of.values(), default=1) == 1, f"{path} {of.most_common(1)}"


def test_every_command_that_reads_can_say_as_whom() -> None:
    for path, command in commands():
        options = {option for parameter in command.params for option in parameter.opts}
        assert "--devnet" not in options or "--as" in options or path in PUBLIC_READS, path


def test_no_option_takes_a_secret() -> None:
    """K05: passphrases and phrases come from a prompt, a descriptor or a private file."""
    for path, command in commands():
        for parameter in command.params:
            for option in parameter.opts:
                secret = any(word in option for word in ("passphrase", "password", "seed-", "mnemonic", "phrase"))
                assert not secret or option.endswith(("-fd", "-file")), f"{path} {option}"


@pytest.mark.parametrize(
    "arguments",
    [[], ["nonsense"], ["wallet", "balance", "--nonsense"], ["wallet", "authorize", "x", "1.5"],
     ["wallet", "receipt", "verify", "absent", "--genesis", "absent"], ["explain", "HN-0042"],
     ["wallet", "balance", "nobody"], ["devnet", "status"], ["node", "verify"], ["tx", "show", "xyz"],
     ["wallet", "new", "../evil", "--passphrase-file", "absent"], ["--lang", "fr", "version"]],
)  # fmt: skip
def test_wrong_use_is_exit_2(arguments: list[str]) -> None:
    assert run(arguments) == 2


def test_no_node_reachable_is_exit_4(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["node", "status", "--node", "http://127.0.0.1:1", "-o", "json"]) == 4
    captured = capsys.readouterr()
    assert json.loads(captured.out)["name"] == "NODE_UNREACHABLE"
    assert "HN-9006" in captured.err


def test_a_file_that_is_no_proof_is_exit_1(tmp_path: Path) -> None:
    path = tmp_path / "r.hnproof"
    path.write_bytes(b"not a proof")
    assert run(["wallet", "receipt", "verify", str(path), "--genesis", str(ROOT / "genesis.json")]) == 1


@pytest.mark.parametrize("text", ["HN-3003", "3003", "hn-3003", "INSUFFICIENT"])
def test_explain_takes_number_and_name(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", text, "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "INSUFFICIENT"


@pytest.mark.parametrize("language", ["zh", "en"])
def test_explain_knows_every_code_in_both_languages(language: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--lang", language, "explain", "-o", "json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {item["name"] for item in listed} == {code.name for code in Code}
    assert all(item["title"] and item["fix"] for item in listed)


def test_the_wallet_needs_no_node_software() -> None:
    script = (
        "import sys; sys.modules['plyvel'] = None; sys.modules['aiohttp'] = None\n"
        "from cli.main import run; code = run(['wallet', 'list'])\n"
        "assert not any(name.split('.')[0] in ('ledger', 'consensus') for name in sys.modules)\n"
        "node = {name for name in sys.modules if name.split('.')[0] == 'chainnode'}\n"
        "assert node <= {'chainnode', 'chainnode.proven_account'}, node  # the rules, to recompute a balance\n"
        "sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script], env=environment(), timeout=60)
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "environment", "expected"),
    [(["--lang", "zh"], {}, "zh"), (["wallet", "list", "--lang=en"], {"LANG": "zh_CN.UTF-8"}, "en"),
     ([], {"LANG": "zh_CN.UTF-8"}, "zh"), ([], {"LC_ALL": "C", "LANG": "zh_CN.UTF-8"}, "en"), ([], {}, "en"),
     ([], {"LANG": "de_DE.UTF-8"}, "en")],
)  # fmt: skip
def test_the_language_is_asked_for_or_the_locales(
    arguments: list[str], environment: dict[str, str], expected: str
) -> None:
    assert choose(arguments, environment) == expected


def test_help_and_errors_speak_chinese() -> None:
    shown = hnchain("wallet", "pay", "--help", language="zh_CN.UTF-8")
    assert shown.returncode == 0
    assert "用法" in shown.stdout and "示例" in shown.stdout and "显示本帮助并退出" in shown.stdout
    wrong = hnchain("wallet", "pay", "--lang", "zh")
    assert wrong.returncode == 2 and wrong.stdout == ""
    assert "缺少参数" in wrong.stderr


def test_the_catalogue_file_is_the_one_of_the_source() -> None:
    raw = click_texts.CATALOGUE.read_bytes()
    assert raw == click_texts.catalogue_bytes(click_texts.CHINESE), "run python -m cli.click_texts"
    with open(click_texts.CATALOGUE, "rb") as stream:
        assert gettext.GNUTranslations(stream).gettext("Usage:") == "用法："


def test_a_wallet_from_new_to_restored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in (("old", "first\n"), ("new", "second\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    old, new = str(tmp_path / "old"), str(tmp_path / "new")
    assert run(["wallet", "new", "me", "--passphrase-file", old, "-o", "json"]) == 0
    address = json.loads(capsys.readouterr().out)["address"]
    assert run(["wallet", "new", "me", "--passphrase-file", old]) == 2
    assert run(["wallet", "passwd", "--passphrase-file", old, "--new-passphrase-file", new]) == 0
    assert run(["wallet", "phrase", "--passphrase-file", old]) == 5
    capsys.readouterr()
    assert run(["wallet", "phrase", "--passphrase-file", new, "--chinese"]) == 0
    words = tmp_path / "words"
    words.write_text(capsys.readouterr().out)
    words.chmod(0o600)
    assert run(["wallet", "restore", "again", "--phrase-file", str(words), "--passphrase-file", old, "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["address"] == address


def test_doctor_reports_every_check(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "-o", "json"]) == 0
    checks = json.loads(capsys.readouterr().out)
    assert {"python", "packages", "cryptography", "clock", "disk", "ports"} <= {check["name"] for check in checks}
    assert all(set(check) == {"name", "ok", "detail", "fix", "needed"} for check in checks)
