"""A file of signed transactions: written part by part, gone on with after an interruption, read in place by as many
processes as like. Nothing of it stays in memory but where each transaction begins.

FILE  = magic, u32 octets, recipe (canonical), parts
PART  = u32 transactions, u32 octets, transactions
each  = id (32), u32 octets, raw bytes
"""

import mmap
import os
import struct
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, overload

from primitives.codec import U64, Bytes32, Malformed, Record, decode_canonical, decoder, encode
from primitives.hashing import Digest
from primitives.transaction import TRANSACTION_BYTES_MAX, decode_transaction

MAGIC: Final = b"hn/signed/1\n"
_SIZE: Final = struct.Struct(">I")
_PART: Final = struct.Struct(">II")
_ONE: Final = struct.Struct(">32sI")
RECIPE_BYTES_MAX: Final = 4_096


class Recipe(Record):
    """All that determines the transactions, byte by byte. `chain_id` binds them to one network; with `seed` and
    `genesis_s` a throw-away network with the same chain id is made again. `begin_s`: block time at which they are sent
    first. `part`: transactions per part."""

    chain_id: Bytes32
    seed: Bytes32
    genesis_s: U64
    validators: U64
    tourists: U64
    profile: str
    operations: U64
    run: str
    begin_s: U64
    valid_until: U64
    count: U64
    part: U64

    @property
    def sizes(self) -> list[int]:
        """Transactions in each part."""
        return [min(self.part, self.count - start) for start in range(0, self.count, self.part)]


def read_recipe(path: Path) -> Recipe:
    """Of a file that is there. Raises: Malformed if it is none of ours; OSError."""
    with open(path, "rb") as stream:
        head = stream.read(len(MAGIC) + _SIZE.size + RECIPE_BYTES_MAX)
    recipe, _ = _recipe_of(head, path)
    return recipe


def _recipe_of(head: bytes, path: Path) -> tuple[Recipe, int]:
    start = len(MAGIC) + _SIZE.size
    if len(head) < start or head[: len(MAGIC)] != MAGIC:
        raise Malformed(f"{path} is no file of signed transactions")
    end = start + int(_SIZE.unpack_from(head, len(MAGIC))[0])
    if end > start + RECIPE_BYTES_MAX or end > len(head):
        raise Malformed(f"{path}: its recipe is cut off or longer than {RECIPE_BYTES_MAX} bytes")
    return decode_canonical(decoder(Recipe), head[start:end]), end


def part_of(raws: Sequence[bytes]) -> bytes:
    """The bytes of a part."""
    body = b"".join(_ONE.pack(decode_transaction(raw).id, len(raw)) + raw for raw in raws)
    return _PART.pack(len(raws), len(body)) + body


class SignedWriter:
    """Appends parts; what a killed writer left half is cut off. Use it in a `with`; its end is when the disk has it.

    Raises: Malformed if the file has another recipe; OSError.
    """

    def __init__(self, path: Path, recipe: Recipe) -> None:
        encoded = encode(recipe)
        self.done = 0  # whole parts that were there already
        if path.exists() and path.stat().st_size:
            with SignedFile(path) as found:
                if found.recipe != recipe:
                    raise Malformed(f"{path} was signed for something else")
                self.done, end = found.parts, found.end
        else:
            path.write_bytes(MAGIC + _SIZE.pack(len(encoded)) + encoded)
            end = path.stat().st_size
        self._stream = open(path, "r+b")  # noqa: SIM115  (closed by __exit__)
        self._stream.truncate(end)
        self._stream.seek(end)

    def append(self, part: bytes) -> None:
        """The next part; see part_of."""
        self._stream.write(part)

    def __enter__(self) -> "SignedWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.flush()
        os.fsync(self._stream.fileno())  # or the system would write it while the nodes wait for their own
        self._stream.close()


class SignedFile:
    """The whole transactions of a file, by number. Raises: Malformed, OSError."""

    def __init__(self, path: Path) -> None:
        with open(path, "rb") as stream:
            try:
                self._bytes: Final = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
            except ValueError as error:
                raise Malformed(f"{path} is empty") from error
        self.recipe, self.end = _recipe_of(self._bytes[: len(MAGIC) + _SIZE.size + RECIPE_BYTES_MAX], path)
        self.parts = 0
        self._starts: Final = array("Q")
        while self._next_part(path):
            self.parts += 1

    def _next_part(self, path: Path) -> bool:
        """Index one more part, if it is there as a whole."""
        body = self.end + _PART.size
        if body > len(self._bytes):
            return False
        count, size = _PART.unpack_from(self._bytes, self.end)
        if body + size > len(self._bytes):
            return False
        at = body
        for _ in range(count):
            length = int(_ONE.unpack_from(self._bytes, at)[1]) if at + _ONE.size <= body + size else -1
            if not 0 <= length <= TRANSACTION_BYTES_MAX:
                raise Malformed(f"{path}: damaged in part {self.parts}")
            self._starts.append(at)
            at += _ONE.size + length
        if at != body + size:
            raise Malformed(f"{path}: damaged in part {self.parts}")
        self.end = at
        return True

    def __len__(self) -> int:
        return len(self._starts)

    def raw(self, number: int) -> bytes:
        """The bytes to send."""
        at = self._starts[number]
        body = at + _ONE.size
        return self._bytes[body : body + int(_ONE.unpack_from(self._bytes, at)[1])]

    def id(self, number: int) -> Digest:
        """Its id, computed when it was written."""
        at = self._starts[number]
        return Digest(self._bytes[at : at + 32])

    def __enter__(self) -> "SignedFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._bytes.close()


class Share(Sequence[bytes]):
    """The transactions with these numbers (ids, if asked for), and `more` behind them."""

    def __init__(self, file: SignedFile, numbers: range, more: Sequence[bytes] = (), ids: bool = False) -> None:
        self._numbers: Final = numbers
        self._read: Final = file.id if ids else file.raw
        self._more: Final = more

    def __len__(self) -> int:
        return len(self._numbers) + len(self._more)

    @overload
    def __getitem__(self, number: int) -> bytes: ...
    @overload
    def __getitem__(self, number: slice) -> list[bytes]: ...
    def __getitem__(self, number: int | slice) -> bytes | list[bytes]:
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(len(self)))]
        if number < len(self._numbers):
            return self._read(self._numbers[number])
        return self._more[number - len(self._numbers)]

    def __iter__(self) -> Iterator[bytes]:
        return (self[number] for number in range(len(self)))
