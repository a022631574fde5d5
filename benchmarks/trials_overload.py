"""The trial of too much: what a network still commits of three times its knee."""

from typing import Final

from benchmarks import overload as overloads
from benchmarks.scoreboard import Outcome
from benchmarks.trial import Stand, Tally

SECONDS: Final = 20.0  # of the row; `hnchain bench overload` lasts a minute
SECONDS_MIN: Final = 4.0
TIMES: Final = 3.0  # the knee


def overload(stand: Stand) -> Outcome:
    """Three times the knee; before it the best rate beside a client that sends nothing but forged signatures."""
    tally = Tally()
    with stand.network() as network:
        seconds = max(stand.seconds(SECONDS), SECONDS_MIN)
        found = overloads.overload(network, seconds, TIMES, stand.found.get("knee", 0.0), stand.tell)
    tally.verify_us.append(1e6 / found.libsodium_per_s)
    tally.add("overload", found.kept)
    tally.add("recovery", found.normal_after_s)
    if found.beside_forger is not None:
        tally.add("forged", found.beside_forger)
    tally.sound = found.is_sound
    tally.note(f"{found.offered_per_s:,.0f} tx/s offered for {found.seconds:.0f} s, {found.unanswered} unanswered, "
               f"memory of a node {found.memory_mib:+,.0f} MiB",
               f"提交 {found.offered_per_s:,.0f} 笔/秒，持续 {found.seconds:.0f} 秒，{found.unanswered} 笔无答复，"
               f"节点内存 {found.memory_mib:+,.0f} MiB")  # fmt: skip
    return tally.outcome()
