"""What waits for one peer: a bounded queue per class, emptied in the order of priority (C16, T19). No IO."""

from collections import deque
from collections.abc import Mapping
from typing import Final, NamedTuple

from chainnode.wire import FrameClass


class QueueBound(NamedTuple):
    """Limits of one queue. When full: the oldest frames go (`drop`), or the peer does not read and must go."""

    frames: int
    octets: int
    drop: bool


# 8 MiB per peer in all. Votes and proposals are small: who lets 4096 of them wait is gone. A batch that was dropped is
# asked for when a proposal names it, a sync answer is asked for again.
BOUNDS: Final[Mapping[int, QueueBound]] = {
    FrameClass.CONTROL: QueueBound(64, 64 * 1024, drop=False),
    FrameClass.VOTE: QueueBound(4096, 1024 * 1024, drop=False),
    FrameClass.PROPOSAL: QueueBound(1024, 1024 * 1024, drop=False),
    FrameClass.BATCH: QueueBound(256, 4 * 1024 * 1024, drop=True),
    FrameClass.SYNC: QueueBound(32, 2 * 1024 * 1024, drop=True),
}


class Outbox:
    """Frames for one peer."""

    def __init__(self, bounds: Mapping[int, QueueBound] = BOUNDS) -> None:
        self._bounds: Final = bounds
        self._queues: Final[dict[int, deque[bytes]]] = {frame_class: deque() for frame_class in sorted(bounds)}
        self._octets: Final = dict.fromkeys(self._queues, 0)
        self._latest: bytes | None = None
        self.dropped = 0  # frames that made room for newer ones

    def push(self, frame_class: int, frame: bytes) -> bool:
        """Queue a frame. False: the queue is full and may not drop, so the peer does not read: disconnect it."""
        queue, bound = self._queues[frame_class], self._bounds[frame_class]
        octets = self._octets[frame_class] + len(frame)
        while queue and (len(queue) >= bound.frames or octets > bound.octets):
            if not bound.drop:
                return False
            octets -= len(queue.popleft())
            self.dropped += 1
        queue.append(frame)
        self._octets[frame_class] = octets
        return True

    def push_latest(self, frame: bytes) -> None:
        """Queue a STATUS: only the newest one counts, so an older one that still waits is dropped."""
        if self._latest is not None:
            self.dropped += 1
        self._latest = frame

    def pop(self) -> bytes | None:
        """The next frame: control, votes, STATUS, proposals, batches, sync; first in, first out within a class."""
        for frame_class, queue in self._queues.items():
            if queue:
                frame = queue.popleft()
                self._octets[frame_class] -= len(frame)
                return frame
            if frame_class == FrameClass.VOTE and self._latest is not None:
                frame, self._latest = self._latest, None
                return frame
        return None

    @property
    def waiting(self) -> int:
        """Bytes that wait, all classes together."""
        return sum(self._octets.values()) + len(self._latest or b"")

    @property
    def empty(self) -> bool:
        return self._latest is None and not any(self._queues.values())
