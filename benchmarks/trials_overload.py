"""The trial of too much: what a network still commits of three times its knee."""

from typing import Final

from benchmarks import overload as overloads
from benchmarks.scoreboard import Outcome
from benchmarks.trial import Stand, Tally

SECONDS: Final = 60.0  # of a run
SECONDS_MIN: Final = 4.0
TIMES: Final = 3.0  # the knee


def overload(stand: Stand) -> Outcome:
    """Three times the knee; before it the best rate beside a client that sends nothing but forged signatures."""
    tally = Tally()
    with stand.network() as network:
        for _ in range(stand.runs):
            seconds = max(stand.seconds(SECONDS), SECONDS_MIN)
            found = overloads.overload(network, seconds, TIMES, stand.found.get("knee", 0.0), stand.tell)
            tally.verify_us.append(1e6 / found.libsodium_per_s)
            tally.add("overload", found.kept)
            tally.add("recovery", found.normal_after_s)
            if found.beside_forger is not None:
                tally.add("forged", found.beside_forger)
            tally.sound = tally.sound and found.is_sound
            stand.say(f"  {found.kept:.0%}, {found.beside_forger or 0:.0%}, {found.normal_after_s:.1f} s")
            tally.note(f"{found.offered_per_s:,.0f} tx/s offered for {found.seconds:.0f} s, {found.unanswered} "
                       f"unanswered, {found.kept_of_mean:.0%} of the mean of the best before and after, "
                       f"memory of a node {found.memory_mib:+,.0f} MiB",
                       f"提交 {found.offered_per_s:,.0f} 笔/秒，持续 {found.seconds:.0f} 秒，"
                       f"{found.unanswered} 笔无答复，为前后最高速率均值的 {found.kept_of_mean:.0%}，"
                       f"节点内存 {found.memory_mib:+,.0f} MiB")  # fmt: skip
    return tally.outcome()
