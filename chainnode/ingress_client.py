"""The client side of the binary ingress, for gateways and the load generator."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Self

from chainnode.ingress_frames import (
    BULK_TRANSACTIONS_MAX,
    INGRESS_LIMITS,
    Answer,
    Outcome,
    Outcomes,
    Submit,
    decode_ingress,
    encode_ingress,
)
from chainnode.wire import FrameReader
from primitives.codec import Malformed


class IngressClient(asyncio.Protocol):
    """One connection; bulks may overlap. Outcomes go to a callback in the event loop, as they come."""

    def __init__(self, on_outcomes: Callable[[Sequence[Outcome]], None]) -> None:
        self._on_outcomes: Final = on_outcomes
        self._reader: Final = FrameReader(INGRESS_LIMITS)
        self._transport: asyncio.Transport | None = None
        self._waiting: Final[dict[int, asyncio.Future[tuple[int, ...]]]] = {}
        self._next = 0
        self._fault: str = "the node closed the connection"
        self.retry_ms = 0  # of the last answer: the node is busy, wait so long before sending more; 0: it is not
        self.closed: Final = asyncio.Event()

    @classmethod
    async def connect(cls, host: str, port: int, on_outcomes: Callable[[Sequence[Outcome]], None]) -> Self:
        """An open connection; OSError if there is no listener."""
        _, client = await asyncio.get_running_loop().create_connection(lambda: cls(on_outcomes), host, port)
        return client

    def submit(self, transactions: Sequence[bytes]) -> "asyncio.Future[tuple[int, ...]]":
        """Send a bulk of raw transactions, at most BULK_TRANSACTIONS_MAX and 1 MiB.

        Returns: a future of the codes in order, 0 = admitted. It fails with ConnectionError if the connection is lost
        first: then the outcome is unknown, and the same bytes may be sent again to any node.
        """
        if not 1 <= len(transactions) <= BULK_TRANSACTIONS_MAX:
            raise ValueError(f"a bulk of {len(transactions)} transactions, limit {BULK_TRANSACTIONS_MAX}")
        future: asyncio.Future[tuple[int, ...]] = asyncio.get_running_loop().create_future()
        if self._transport is None or self._transport.is_closing():
            future.set_exception(ConnectionError(self._fault))
            return future
        frame = encode_ingress(Submit(self._next, tuple(transactions)))
        self._waiting[self._next] = future
        self._next += 1
        self._transport.write(frame)
        return future

    async def close(self) -> None:
        """Close and wait until it is closed."""
        if self._transport is not None:
            self._transport.close()
            await self.closed.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport), "the ingress is a stream"
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._reader.feed(data):
                self._handle(frame.frame_class, decode_ingress(frame))
        except Malformed as error:
            self._fault = f"the node sent what is not an ingress frame: {error}"
            if self._transport is not None:
                self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ConnectionError(self._fault))
        self._waiting.clear()
        self.closed.set()

    def _handle(self, frame_class: int, message: object) -> None:
        match message:
            case Answer():
                self.retry_ms = message.retry_ms
                future = self._waiting.pop(message.request, None)
                if future is not None and not future.done():
                    future.set_result(message.codes)
            case Outcomes():
                self._on_outcomes(message.items)
            case _:
                raise Malformed(f"class {frame_class} from a node")
