"""Eight Ed25519 signatures at a time, where the processor has AVX-512 IFMA and Intel's library is installed.

The pinned rule stays libsodium's (primitives.keys). The library checks the same equation, but takes encodings that
libsodium refuses, so four checks of the bytes come first: S < L, A and R canonical, neither of small order. And it may
only say yes: what it does not accept is asked of libsodium, whose no is final. The extra `[fast]` puts the library
where it is looked for; without it nothing changes but the speed. A library that gives another verdict than libsodium
on one of the start-up vectors is never used: the node does not start.
"""

import ctypes
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from chainnode.failures import BadConfiguration, VerifiersDisagree
from primitives.keys import PublicKey, Signature, SigningKey, self_check, verify
from primitives.transaction import SignatureCheck

LANES: Final = 8
FIELD: Final = 2**255 - 19
ORDER: Final = 2**252 + 27742317777372353535851937790883648493
# y of the points whose order divides 8; the sign of x does not matter
SMALL_ORDER: Final = frozenset(
    {
        0,
        1,
        FIELD - 1,
        int.from_bytes(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"),
        int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"),
    }
)
# in the order in which they need each other; the first four must be visible to the last
_LIBRARIES: Final = ("libintlc.so.5", "libirng.so", "libimf.so", "libsvml.so", "libcrypto_mb.so")
_SIGN_BIT: Final = 1 << 255
_LANE_MASK: Final = 15  # of the status word, 0: accepted
# last bytes of what `_is_plain_point` refuses; all other encodings, 31 of 32, need no closer look
_SUSPECT_ENDS: Final = frozenset(y >> 248 | sign for y in (*SMALL_ORDER, FIELD) for sign in (0, 128))
_CERTAIN_S: Final = 16  # a last byte below: S < 2**252 < L

GROUPS: Final = 16  # handed to the library one after the other from one table
MESSAGE_BYTES_MAX: Final = 160  # the messages of transactions are digests, a vote has 135 bytes
_KEY_AT: Final = 64
_MESSAGE_AT: Final = 96
_ROW: Final = _MESSAGE_AT + MESSAGE_BYTES_MAX  # signature, key, message

_Pointers: Final = ctypes.c_void_p * LANES
_Lengths: Final = ctypes.c_int32 * LANES
Batch = Callable[[Any, Any, Any, Any, Any], int]  # pointers to R, S, messages, lengths, keys -> status word
Lanes = Literal["auto", "off", "required"]


def _is_plain_point(raw: bytes) -> bool:
    """Whether an encoding is canonical and of no point of small order."""
    y = int.from_bytes(raw, "little") & ~_SIGN_BIT
    return y < FIELD and y not in SMALL_ORDER


def may_use_lanes(check: SignatureCheck) -> bool:
    """Whether the library's yes means libsodium's yes, and the message fits into the table."""
    key, message, signature = check
    if len(signature) != 64 or len(key) != 32 or len(message) > MESSAGE_BYTES_MAX:
        return False
    if signature[63] < _CERTAIN_S and signature[31] not in _SUSPECT_ENDS and key[31] not in _SUSPECT_ENDS:
        return True
    return (
        int.from_bytes(signature[32:], "little") < ORDER
        and _is_plain_point(key)
        and _is_plain_point(signature[:32])
    )


class EightLanes:
    """Verifies many signatures; the verdict on each is exactly primitives.keys.verify's.

    What is to be verified is laid out in one table whose addresses never change: a call costs no pointer.
    """

    def __init__(self, batch: Batch) -> None:
        """Use `find`."""
        self._batch: Final = batch
        self._table: Final = (ctypes.c_ubyte * (GROUPS * LANES * _ROW))()
        self._bytes: Final = memoryview(self._table).cast("B")
        first = ctypes.addressof(self._table)
        self._groups: Final = [_addresses(first + group * LANES * _ROW) for group in range(GROUPS)]
        self._using_table: Final = threading.Lock()  # a call releases the interpreter

    def verify_all(self, checks: Sequence[SignatureCheck]) -> list[bool]:
        """One verdict each, in order."""
        verdicts = [False] * len(checks)
        plain = [number for number, check in enumerate(checks) if may_use_lanes(check)]
        for start in range(0, len(plain), GROUPS * LANES):
            numbers = plain[start : start + GROUPS * LANES]
            for number, verdict in zip(numbers, self.raw_verdicts([checks[n] for n in numbers]), strict=True):
                verdicts[number] = verdict
        for number, verdict in enumerate(verdicts):
            if not verdict:
                verdicts[number] = verify(*checks[number])
        return verdicts

    def raw_verdicts(self, checks: Sequence[SignatureCheck]) -> list[bool]:
        """What the library says of up to GROUPS * LANES checks that `may_use_lanes`; libsodium is not asked."""
        full = [*checks, *[checks[0]] * (-len(checks) % LANES)]
        rows = b"".join([
            part for key, message, signature in full for part in (signature, key, message.ljust(MESSAGE_BYTES_MAX))
        ])  # fmt: skip
        verdicts: list[bool] = []
        with self._using_table:
            self._bytes[: len(rows)] = rows
            for start, (r, s, messages, keys) in zip(range(0, len(full), LANES), self._groups, strict=False):
                lengths = _Lengths(*[len(check.message) for check in full[start : start + LANES]])
                status = self._batch(r, s, messages, lengths, keys)
                verdicts += [not status >> 4 * lane & _LANE_MASK for lane in range(LANES)]
        return verdicts[: len(checks)]


def _addresses(first: int) -> tuple[Any, Any, Any, Any]:
    """Pointers to R, S, message and key of a group whose first row is there."""

    def at(offset: int) -> Any:
        return _Pointers(*[first + lane * _ROW + offset for lane in range(LANES)])

    return at(0), at(32), at(_MESSAGE_AT), at(_KEY_AT)


def find(use: Lanes, folder: Path | None = None) -> EightLanes | None:
    """The verifier, if it is wanted and this machine has what it needs.

    Raises: VerifiersDisagree with the first start-up vector on which it differs from libsodium, BadConfiguration where
    it is required and missing.
    """
    if use == "off":
        return None
    batch = _library(folder or Path(sys.prefix) / "lib")
    if isinstance(batch, str):
        if use == "required":
            raise BadConfiguration(f"lanes = \"required\": {batch}; install hnchain[fast], or set lanes = \"auto\"")
        return None
    fault = disagreement(batch)
    if fault is not None:
        raise VerifiersDisagree(f"eight-lane verifier: {fault}; remove the extra [fast], or set lanes = \"off\"")
    return EightLanes(batch)


def _library(place: Path) -> Batch | str:
    """The library's function, or a sentence that says what is missing."""
    try:
        if " avx512ifma" not in Path("/proc/cpuinfo").read_text():
            return "this processor has no AVX-512 IFMA"
        for name in _LIBRARIES:
            library = ctypes.CDLL(str(place / name), mode=ctypes.RTLD_GLOBAL)
        batch = library.mbx_ed25519_verify_mb8
    except (OSError, AttributeError) as error:
        return str(error)
    batch.restype = ctypes.c_uint32
    found: Batch = batch
    return found


def disagreement(batch: Batch) -> str | None:
    """None, or a sentence about the first start-up vector on which the library's own verdict is not libsodium's.

    The published edge cases in all lanes; then a false signature in each lane among seven good ones, and a good one
    among seven false: a lane that answers for its neighbour is seen.
    """

    def one(key: PublicKey, message: bytes, signature: Signature) -> bool:
        return EightLanes(batch).verify_all([SignatureCheck(key, message, signature)] * LANES) == [True] * LANES

    fault = self_check(one)
    if fault is not None:
        return fault
    key = SigningKey.from_seed(bytes(range(32)))
    good = [SignatureCheck(key.public_key, bytes([n]) * n, key.sign(bytes([n]) * n)) for n in range(LANES)]
    false = [check._replace(message=check.message + b"?") for check in good]
    for lane in range(LANES):
        for rest, other in ((good, false), (false, good)):
            checks = [*rest[:lane], other[lane], *rest[lane + 1 :]]
            expected = [verify(*check) for check in checks]
            found = EightLanes(batch).raw_verdicts(checks)
            if found != expected:
                return f"lane {lane}: verdicts {found}, libsodium says {expected}"
    return None
