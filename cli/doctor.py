"""`hnchain doctor`: is this machine fit? One line per check, exit 0 or 1."""

import resource
import shutil
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Final, NamedTuple

import click

from cli.language import example, t
from cli.output import answer, pad, width, with_output
from cli.verdicts import Verdict

PYTHON_MIN: Final = (3, 11)
DISK_BYTES_MIN: Final = 1 << 30
FILES_MIN: Final = 1024
RELEASED: Final = 1_760_000_000  # a clock before this release is wrong
WALLET_PACKAGES: Final = ("click", "mnemonic", "msgspec", "pynacl", "segno")
NODE_PACKAGES: Final = ("aiohttp", "cryptography", "prometheus-client", "sortedcontainers")


class Check(NamedTuple):
    """One line: `fix` is empty if it is ok. `needed`: a failure makes the exit code 1."""

    name: str
    ok: bool
    detail: str
    fix: str
    needed: bool = True


@click.command(help=t("Check this machine: Python, packages, ports, disk, clock, cryptography.",
                      "检查本机：Python、依赖、端口、磁盘、时钟、密码学自检。"),
               epilog=example("hnchain doctor -o json"))  # fmt: skip
@click.option("--wallet", is_flag=True, help=t("Only what a wallet needs.", "仅检查钱包所需。"))
@with_output
def doctor(wallet: bool) -> int:
    checks: list[Callable[[], Check]] = [_python, _wallet_packages, _crypto, _clock, _disk]
    if not wallet:
        checks += [_node_packages, _leveldb, _ports, _open_files]
    found = [check() for check in checks]
    columns = max(width(check.name) for check in found)
    lines = []
    for check in found:
        mark = "✓" if check.ok else ("✗" if check.needed else "!")
        lines.append(f"{mark} {pad(check.name, columns)}  {check.detail}")
        if not check.ok:
            lines.append(f"  {t('fix', '处理')}: {check.fix}")
    plain = [{"name": c.name, "ok": c.ok, "detail": c.detail, "fix": c.fix, "needed": c.needed} for c in found]
    answer(plain, "\n".join(lines))
    return int(Verdict.DONE if all(c.ok or not c.needed for c in found) else Verdict.REJECTED)


def _python() -> Check:
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.flags.optimize:
        return Check("python", False, f"{found} -O", t("run it without -O: asserts guard the node", "请勿使用 -O 运行"))
    ok = sys.version_info >= PYTHON_MIN
    return Check("python", ok, found, "" if ok else t("install Python 3.11 or newer", "安装 Python 3.11 或更新版本"))


def _packages(name: str, wanted: tuple[str, ...], extra: str) -> Check:
    found, missing = [], []
    for package in wanted:
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            missing.append(package)
    detail = ", ".join(found) + (t(f"; missing: {', '.join(missing)}",
                                   f"；缺少：{', '.join(missing)}") if missing else "")
    return Check(name, not missing, detail, f"pip install '{extra}'" if missing else "")


def _wallet_packages() -> Check:
    return _packages("packages", WALLET_PACKAGES, "hnchain")


def _node_packages() -> Check:
    return _packages("node packages", NODE_PACKAGES, "hnchain[node]")


def _crypto() -> Check:
    from primitives.keys import self_check

    fault = self_check()
    fix = t("reinstall pynacl from its wheel", "请重新安装 pynacl 官方包")
    return Check("cryptography", fault is None, fault or t("Ed25519 edge cases as pinned", "Ed25519 边界向量一致"),
                 "" if fault is None else fix)  # fmt: skip


def _clock() -> Check:
    now = int(time.time())
    ok = now >= RELEASED
    detail = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    fix = t("set the clock (NTP): valid_until counts from it", "请校准时钟（NTP），交易有效期以其计算")
    return Check("clock", ok, detail, "" if ok else fix)


def _disk() -> Check:
    free = shutil.disk_usage(".").free
    ok = free >= DISK_BYTES_MIN
    return Check("disk", ok, f"{free / (1 << 30):.1f} GiB", "" if ok else t("free at least 1 GiB",
                                                                            "至少保留 1 GiB 空间"))


def _leveldb() -> Check:
    import tempfile

    try:
        import plyvel  # of plyvel or plyvel-next

        with tempfile.TemporaryDirectory() as folder:
            plyvel.DB(str(Path(folder) / "db"), create_if_missing=True).close()
    except (ImportError, OSError) as error:
        return Check("leveldb", False, str(error), "pip install 'hnchain[node]'")
    return Check("leveldb", True, t("opens and closes", "可用"), "")


def _ports() -> Check:
    from chainnode.devnet_layout import PORT_BASE, plan_ports
    from chainnode.listening_ports import holder_of, is_free

    taken = [port for place in plan_ports(PORT_BASE, 4) for port in place.ports if not is_free(port)]
    if not taken:
        return Check("ports", True, t(f"{PORT_BASE} and the next 33 are free", f"{PORT_BASE} 起均空闲"), "")
    detail = ", ".join(f"{port} {holder_of(port)}".strip() for port in taken[:4])
    return Check("ports", False, t(f"taken: {detail}", f"被占用：{detail}"), "hnchain devnet up --port-base N", False)


def _open_files() -> Check:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    ok = soft >= FILES_MIN or soft == resource.RLIM_INFINITY
    return Check("open files", ok, str(soft), "" if ok else "ulimit -n 4096")
