"""Where the CPU time of a node goes: stacks sampled from outside, the kernel's CPU time of each thread, stages by file.

The samples of a thread say in which proportions it worked, the kernel says how long: a thread that waits for the disk
or for the interpreter's lock is sampled as well, and must not count for more than it used. So the stages add up to what
the kernel counted, and what belongs to none of them stands there as "other".

Of a compiled build the sampler reads native stacks, too: mypyc's symbols name the module. Without them all of it would
stand under the Python that called it, the event loop.
"""

import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from benchmarks.machine import TICKS_PER_SECOND

ROOT: Final = Path(__file__).resolve().parent.parent
NO_MODULES: Final[Mapping[str, str]] = {}
OTHER: Final = "other"
NATIVE: Final = "native"  # threads that never ran Python
_THREAD: Final = re.compile(r"thread \((\d+)\)")
_FRAME: Final = re.compile(r"^(.*) \(([^()]*?)(?::\d+)?\)$")
_COMPILED: Final = re.compile(r"^CPyDef_(.*?)___")


class Stage(NamedTuple):
    """A part of the work. `files`: paths without suffix, or folders that end with a slash; the innermost frame of a
    stack that is in one of them decides."""

    name: str
    english: str
    chinese: str
    files: tuple[str, ...] = ()


STAGES: Final = (
    Stage("signatures", "signature checks", "验签", ("chainnode/signatures", "chainnode/eight_lanes")),
    Stage("ingress", "ingress: frames, answers", "入口：帧与应答",
          ("chainnode/ingress", "chainnode/ingress_frames", "chainnode/http_server", "chainnode/submissions",
           "chainnode/calls", "chainnode/api", "chainnode/rate_limit", "chainnode/listeners")),
    Stage("admission", "admission, pool, packing", "准入、交易池、打包",
          ("chainnode/admissions", "chainnode/mempool", "chainnode/seen_ids", "chainnode/rooms")),
    Stage("batches", "batches of others: decode, hash", "他人批次：解码与哈希",
          ("chainnode/intake", "chainnode/batches", "chainnode/bodies", "chainnode/announcements",
           "chainnode/inbound")),
    Stage("links", "links between nodes, TLS", "节点间连接与 TLS",
          ("chainnode/link", "chainnode/outbox", "chainnode/wire", "chainnode/peers", "chainnode/mesh",
           "chainnode/connections", "chainnode/dialing", "chainnode/lobby", "chainnode/peer_messages",
           "asyncio/sslproto", "ssl")),
    Stage("consensus", "consensus: votes, proposals", "共识：投票与提案",
          ("consensus/", "chainnode/driver", "chainnode/voting_keys")),
    Stage("blocks", "building and checking blocks", "构造与检查区块",
          ("chainnode/builder", "chainnode/block_checks", "chainnode/wishes", "chainnode/clock")),
    Stage("rules", "execution: rules", "执行：规则"),  # points/, see stage_of
    Stage("records", "execution: state, receipts, encoding", "执行：状态、回执、编码",
          ("chainnode/executor", "chainnode/execution_queue", "chainnode/state_cache", "chainnode/unwritten_state")),
    Stage("tree", "state tree", "状态树", ("ledger/state_tree", "ledger/twig")),
    Stage("ledger", "ledger: write batch, database", "账本：写批次与数据库",
          ("ledger/chain", "ledger/segments", "ledger/leveldb", "ledger/anchor", "ledger/stored_blocks", "ledger/store",
           "ledger/schema")),
    Stage("journal", "journal", "日志", ("ledger/journal", "chainnode/journal_entries")),
    Stage("answers", "answers to clients, feeds", "客户端应答与推送",
          ("chainnode/commit_feed", "chainnode/event_feed", "chainnode/block_events", "chainnode/proofs",
           "chainnode/metrics", "chainnode/peer_status")),
    Stage("loop", "event loop, hand-offs to threads", "事件循环与线程交接",
          ("chainnode/turns", "chainnode/process", "chainnode/node", "concurrent/futures/thread", "asyncio/")),
    Stage(NATIVE, "threads of the libraries (compaction)", "库线程（压实）"),
    Stage(OTHER, "other", "其他"),
)  # fmt: skip
_BY_FILE: Final = {file: stage.name for stage in STAGES for file in stage.files if not file.endswith("/")}
_BY_FOLDER: Final = tuple((file, stage.name) for stage in STAGES for file in stage.files if file.endswith("/"))
_RULED: Final = (
    "chainnode/executor", "chainnode/execution_queue", "chainnode/state_cache", "chainnode/unwritten_state",
)  # fmt: skip
_WAITS: Final = (
    ("_worker", "concurrent/futures/thread"), ("select", "selectors"), ("wait", "threading"), ("get", "queue"),
)  # fmt: skip


class Share(msgspec.Struct, frozen=True):
    """Of all nodes together. `us`: of CPU time per transaction and node."""

    name: str
    seconds: float
    share: float
    us: float


class StageTable(msgspec.Struct, frozen=True):
    """The result. `named`: the part of the CPU time that has a stage; `samples`: that were working."""

    seconds: float
    transactions: int
    nodes: int
    cpu_seconds: float
    named: float
    samples: int
    shares: list[Share]


def compiled_modules(root: Path = ROOT) -> dict[str, str]:
    """Paths without suffix of the compiled modules of a build, by the name that their symbols begin with; {} for plain
    Python. (Where two had one name, mypyc would put the package before it: a test says that none have.)"""
    return {path.name.partition(".")[0]: str(path.relative_to(root)).partition(".")[0] for path in root.glob("*/*.so")}


def frames_of(line: str, compiled: Mapping[str, str] = NO_MODULES) -> tuple[int, list[tuple[str, str]], int]:
    """A line of collapsed stacks: thread id, (function, path without suffix) from the outermost, samples. `compiled`:
    see compiled_modules; of native frames only theirs are kept.

    Raises: ValueError for anything else.
    """
    stack, _, count = line.rstrip().rpartition(" ")
    thread, *frames = stack.split(";")
    found = _THREAD.match(thread)
    if found is None:
        raise ValueError(f"no thread in {line[:80]!r}")
    places = []
    for frame in frames:
        match = _FRAME.match(frame)
        name, path = match.groups() if match is not None else (frame, "")
        symbol = _COMPILED.match(name)
        if symbol is not None and symbol.group(1) in compiled:
            places.append((name, compiled[symbol.group(1)]))
        elif path.endswith(".py") or not compiled:
            places.append((name, path.removesuffix(".py")))
    return int(found.group(1)), places, int(count)


def stage_of(frames: list[tuple[str, str]]) -> str | None:
    """The stage of a stack; None if it only waits.

    What many stages use (primitives, libraries) counts for who called it. The rules count as rules while a block is
    executed; where else they are asked, for who asked.
    """
    if frames and any(frames[-1][0].endswith(name) and frames[-1][1] == path for name, path in _WAITS):
        return None
    through_rules = False
    loop = False
    for _, path in reversed(frames):
        if path.startswith("points/"):
            through_rules = True
            continue
        name = _BY_FILE.get(path) or next((stage for folder, stage in _BY_FOLDER if path.startswith(folder)), None)
        if name == "loop":
            loop = True  # a callback of ours may lie further out; asyncio alone is the loop
        elif name is not None:
            return "rules" if through_rules and path in _RULED else name
    if through_rules:
        return "rules"
    return "loop" if loop else OTHER


def thread_seconds(pid: int) -> dict[int, float]:
    """CPU time of each thread of a process so far; {} if it is gone."""
    found = {}
    for folder in Path(f"/proc/{pid}/task").glob("*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        found[int(folder.name)] = (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND
    return found


def stage_seconds(
    lines: Iterable[str], used: Mapping[int, float], compiled: Mapping[str, str] = NO_MODULES
) -> tuple[dict[str, float], int]:
    """Seconds of CPU by stage of one process, and the samples that were working. `used`: seconds by thread;
    `compiled`: see frames_of."""
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    sampled: set[int] = set()
    for line in lines:
        if not line.strip():
            continue
        thread, frames, samples = frames_of(line, compiled)
        sampled.add(thread)
        stage = stage_of(frames)
        if stage is not None:
            counts[thread][stage] += samples
    found: dict[str, float] = defaultdict(float)
    for thread, seconds in used.items():
        working = counts.get(thread)
        if working:
            for stage, samples in working.items():
                found[stage] += seconds * samples / working.total()
        elif thread in sampled:
            found["loop"] += seconds  # it was only ever seen waiting: what it used is the waking up
        else:
            found[NATIVE] += seconds
    return dict(found), sum(working.total() for working in counts.values())


def table_of(parts: Iterable[tuple[dict[str, float], int]], transactions: int, seconds: float) -> StageTable:
    """All nodes' stages together; `transactions`: committed while they were watched, `seconds` long."""
    parts = list(parts)
    total: dict[str, float] = defaultdict(float)
    for stages, _ in parts:
        for name, used in stages.items():
            total[name] += used
    whole = sum(total.values())
    each = len(parts) * max(transactions, 1)
    shares = [
        Share(stage.name, round(total[stage.name], 3), total[stage.name] / whole if whole else 0.0,
              total[stage.name] * 1e6 / each)
        for stage in STAGES
    ]  # fmt: skip
    named = 1 - total[OTHER] / whole if whole else 0.0
    return StageTable(
        round(seconds, 2), transactions, len(parts), round(whole, 3), named, sum(part[1] for part in parts), shares
    )


def sampler(pid: int, seconds: float, rate: int, output: Path, native: bool) -> list[str]:
    """The command that samples a process; it comes with the extra `bench`. `native`: compiled code, too."""
    program = Path(sys.executable).with_name("py-spy")
    return [str(program) if program.exists() else "py-spy", "record", "--pid", str(pid), "--duration",
            str(max(1, round(seconds))), "--rate", str(rate), "--format", "raw", "--threads",
            *(["--native"] if native else []), "--output", str(output)]  # fmt: skip
