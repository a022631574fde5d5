"""What a simulated year leaves behind: the live state month by month, and what has left it. Bytes are key + value."""

from typing import Final

import msgspec

from benchmarks.year_people import MERCHANTS
from cli.language import t
from cli.output import table

FORMAT: Final = 1
# What a person reads as one line: first bytes of keys, English, Chinese. The rest is "other".
GROUPS: Final = (
    ("A", "accounts", "账户"), ("L", "holdings", "持仓"), ("OR", "orders", "订单"), ("HT", "holds", "预授权"),
    ("UD", "codes, days", "码与日计"), ("WYNEXlV", "settlement", "结算"), ("abef", "campaigns, assets", "活动资产"),
    ("P", "to leave", "待清理"),
)  # fmt: skip


class Prefix(msgspec.Struct, frozen=True):
    """Of all keys with one first byte."""

    records: int
    bytes: int


class Month(msgspec.Struct, frozen=True):
    """The state at the end of a month; number 0: after the rest."""

    number: int
    transactions: int  # since the start
    height: int
    seconds: float  # of computing, since the start
    state: dict[str, Prefix]  # by first byte
    violations: tuple[str, ...]

    def total(self, firsts: str | None = None) -> Prefix:
        """Of these first bytes; None: of everything."""
        rows = [row for first, row in self.state.items() if firsts is None or first in firsts]
        return Prefix(sum(row.records for row in rows), sum(row.bytes for row in rows))

    def line(self) -> str:
        """While it runs."""
        whole = self.total()
        broken = t(f"{len(self.violations)} broken", f"{len(self.violations)} 项被破坏") if self.violations else "ok"
        name = t("rest", "静置后") if not self.number else t(f"month {self.number}", f"第 {self.number} 月")
        size = f"{whole.bytes / 2**20:.1f} MiB"
        return t(f"{name}: {self.transactions:,} transactions, {whole.records:,} records, {size}, "
                 f"invariants {broken}, {self.seconds:.0f} s",
                 f"{name}：{self.transactions:,} 笔，{whole.records:,} 条记录，{size}，"
                 f"不变量 {broken}，{self.seconds:.0f} 秒")  # fmt: skip


class Leaving(msgspec.Struct, frozen=True):
    """Records that leave by rule: the most at the end of any month, and after the rest."""

    first: str
    name: str
    most: int
    rest: int


class Year(msgspec.Struct, frozen=True):
    """The result. `slowest_empty_ms`: of blocks without transactions, writing to memory included."""

    transactions: int
    blocks: int
    seconds: float
    kinds: dict[str, int]
    codes: dict[str, int]
    months: list[Month]
    leaving: tuple[Leaving, ...]
    slowest_empty_ms: float
    format: int = FORMAT

    @property
    def faults(self) -> list[str]:
        """Why the year is not sound; [] if it is."""
        found = [f"month {month.number}: {text}" for month in self.months for text in month.violations]
        stayed = (row for row in self.leaving if row.rest > RESTING.get(row.first, 0))
        return found + [f"{row.rest} {row.name} have not left" for row in stayed]


# What may stand there although nobody did anything for longer than any retention; of all else nothing. 02:00 closes a
# window every day, with everybody's position in it, and they leave in turn; an attestation grows stale, and
# an alert says so; a window not settled in time keeps a timer for two years.
RESTING: Final = {"W": 200, "N": 200 * (MERCHANTS + 1), "X": 24, "x": 2 * MERCHANTS}


def text_of(year: Year) -> str:
    """Tables: the curve, what left, and how the transactions ended."""
    groups = [*GROUPS, ("", "other", "其他")]
    named = "".join(firsts for firsts, _, _ in GROUPS)
    rows = []
    for month in year.months:
        cells: list[object] = [month.number or t("rest", "静置后"), f"{month.transactions:,}"]
        for firsts, _, _ in groups:
            others = "".join(first for first in month.state if first not in named)
            found = month.total(firsts or others)
            cells.append(f"{found.records:,}")
        whole = month.total()
        rows.append((*cells, f"{whole.records:,}", f"{whole.bytes / 2**20:.1f}"))
    heads = (t("month", "月"), t("transactions", "累计交易"), *(t(english, chinese) for _, english, chinese in groups),
             t("records", "记录合计"), "MiB")  # fmt: skip
    left = table(
        (t("leaves by rule", "按规则离开"), t("most", "最多"), t("after the rest", "静置后")),
        [(row.name, f"{row.most:,}", f"{row.rest:,}") for row in year.leaving],
    )
    codes = ", ".join(f"{name} {number:,}" for name, number in year.codes.items())
    kinds = ", ".join(f"{name} {number:,}" for name, number in year.kinds.items())
    rate = year.transactions / max(year.seconds, 0.1)
    end = t(f"{year.transactions:,} transactions of {len(year.kinds)} kinds in {year.blocks:,} blocks, "
            f"{year.seconds:.0f} s ({rate:,.0f}/s); slowest empty block {year.slowest_empty_ms} ms",
            f"{len(year.kinds)} 类交易共 {year.transactions:,} 笔，{year.blocks:,} 个区块，"
            f"{year.seconds:.0f} 秒（{rate:,.0f} 笔/秒）；最慢的空块 {year.slowest_empty_ms} 毫秒")  # fmt: skip
    faults = "".join(f"\n✗ {fault}" for fault in year.faults)
    return f"{table(heads, rows)}\n\n{left}\n\n{kinds}\n{codes}\n{end}{faults}"
