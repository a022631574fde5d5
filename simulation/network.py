"""A network of directed links: delay, jitter, a heavy tail (which reorders), loss, duplication, and cuts."""

import random
from collections import Counter
from collections.abc import Callable, Iterable

from simulation.schedule import Schedule

Link = tuple[int, int]  # sender, receiver


class Network:
    """Carries opaque payloads between node numbers. Every random draw comes from one stream of its own."""

    def __init__(self, schedule: Schedule, seed: int, nodes: int, delay_ms: int, jitter_ms: int) -> None:
        self._schedule = schedule
        self._random = random.Random(f"{seed}/network")
        self._base = {
            (a, b): self._random.randint(max(1, delay_ms // 2), max(1, delay_ms))
            for a in range(nodes)
            for b in range(nodes)
        }
        self._jitter_ms = jitter_ms
        self._cuts: Counter[Link] = Counter()
        self.loss_permille = 0
        self.duplicate_permille = 0
        self.tail_permille = 0  # messages that arrive up to 20 x jitter late: the source of reordering
        self.counts: Counter[str] = Counter()

    def cut(self, links: Iterable[Link]) -> None:
        """Drop everything on these links until `mend` names them as often as `cut` did."""
        self._cuts.update(links)

    def mend(self, links: Iterable[Link]) -> None:
        """Undo one `cut` of these links."""
        for link in links:
            self._cuts[link] -= 1

    def heal(self) -> None:
        """No cuts, loss, duplicates or late messages from now on; what is on its way arrives."""
        self._cuts.clear()
        self.loss_permille = self.duplicate_permille = self.tail_permille = 0

    def send(self, sender: int, receiver: int, deliver: Callable[[], None]) -> None:
        """Run `deliver` when, if, and as often as the link lets the message through."""
        self.counts["sent"] += 1
        draw = self._random.random
        if self._cuts[sender, receiver] > 0:
            self.counts["cut"] += 1
            return
        if self.loss_permille and draw() * 1000 < self.loss_permille:
            self.counts["lost"] += 1
            return
        self._schedule.after(self._delay(sender, receiver), deliver)
        if self.duplicate_permille and draw() * 1000 < self.duplicate_permille:
            self.counts["duplicated"] += 1
            self._schedule.after(self._delay(sender, receiver), deliver)

    def _delay(self, sender: int, receiver: int) -> int:
        delay = self._base[sender, receiver]
        if self._jitter_ms:
            delay += int(self._random.random() * self._jitter_ms)
        if self.tail_permille and self._random.random() * 1000 < self.tail_permille:
            self.counts["late"] += 1
            delay += int(self._random.random() * 20 * (self._jitter_ms + 1))
        return delay
