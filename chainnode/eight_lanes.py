"""Eight Ed25519 signatures at a time, where the processor has AVX-512 IFMA and Intel's library is installed.

The pinned rule stays libsodium's (primitives.keys). The library checks the same equation, but takes encodings that
libsodium refuses, so four checks of the bytes come first: S < L, A and R canonical, neither of small order. And it may
only say yes: what it does not accept is asked of libsodium, whose no is final. `pip install ipp-crypto
intel-cmplr-lib-rt` puts the library where it is looked for; without it nothing changes but the speed.
"""

import ctypes
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from primitives.keys import PublicKey, Signature, self_check, verify
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

_Pointers: Final = ctypes.c_char_p * LANES
_Lengths: Final = ctypes.c_int32 * LANES
_Batch = Callable[[Any, Any, Any, Any, Any], int]


def _is_plain_point(raw: bytes) -> bool:
    """Whether an encoding is canonical and of no point of small order."""
    y = int.from_bytes(raw, "little") & ~_SIGN_BIT
    return y < FIELD and y not in SMALL_ORDER


def may_use_lanes(check: SignatureCheck) -> bool:
    """Whether the library's yes means libsodium's yes."""
    key, _, signature = check
    return (
        len(signature) == 64
        and len(key) == 32
        and int.from_bytes(signature[32:], "little") < ORDER
        and _is_plain_point(key)
        and _is_plain_point(signature[:32])
    )


class EightLanes:
    """Verifies many signatures; the verdict on each is exactly primitives.keys.verify's."""

    def __init__(self, batch: _Batch) -> None:
        """Use `find`."""
        self._batch: Final = batch

    def verify_all(self, checks: Sequence[SignatureCheck]) -> list[bool]:
        """One verdict each, in order."""
        verdicts = [False] * len(checks)
        plain = [number for number, check in enumerate(checks) if may_use_lanes(check)]
        for start in range(0, len(plain), LANES):
            numbers = plain[start : start + LANES]
            self._verify_eight([checks[number] for number in numbers], numbers, verdicts)
        for number, check in enumerate(checks):
            if not verdicts[number]:
                verdicts[number] = verify(check.key, check.message, check.signature)
        return verdicts

    def _verify_eight(self, checks: list[SignatureCheck], numbers: list[int], verdicts: list[bool]) -> None:
        full = checks + checks[:1] * (LANES - len(checks))
        halves = [(check.signature[:32], check.signature[32:]) for check in full]
        status = self._batch(
            _Pointers(*[r for r, _ in halves]), _Pointers(*[s for _, s in halves]),
            _Pointers(*[check.message for check in full]), _Lengths(*[len(check.message) for check in full]),
            _Pointers(*[check.key for check in full]),
        )  # fmt: skip
        for lane, number in enumerate(numbers):
            verdicts[number] = not status >> 4 * lane & _LANE_MASK


def find(folder: Path | None = None) -> EightLanes | None:
    """The verifier, if this machine has what it needs and it agrees with libsodium on every known edge case."""
    try:
        if " avx512ifma" not in Path("/proc/cpuinfo").read_text():
            return None
        place = folder or Path(sys.prefix) / "lib"
        for name in _LIBRARIES:
            library = ctypes.CDLL(str(place / name), mode=ctypes.RTLD_GLOBAL)
        batch = library.mbx_ed25519_verify_mb8
    except (OSError, AttributeError):
        return None
    batch.restype = ctypes.c_uint32
    found = EightLanes(batch)

    def one(key: PublicKey, message: bytes, signature: Signature) -> bool:
        return found.verify_all([SignatureCheck(key, message, signature)] * LANES) == [True] * LANES

    return found if self_check(one) is None else None
