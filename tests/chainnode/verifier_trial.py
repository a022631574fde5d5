"""`make verifiers`: a million random, mutated and edge-case signatures through both verifiers; they must agree on all.

`--published FILE`: further vectors: a JSON list of objects with hex `key` and `sig` and text `msg` as C2SP gives them,
or lines of hex "secret:key:message:signature" as in the reference implementation's sign.input; each also spoiled.
Exit code 0: no disagreement. 1: one was found and is printed. 2: this machine has no second verifier.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from chainnode.eight_lanes import EightLanes, find, may_use_lanes
from primitives.keys import PublicKey, Signature, verify
from primitives.transaction import SignatureCheck
from tests.chainnode.odd_signatures import spoiled, with_torsion

SLICE: Final = 10_000
BULK: Final = 1_000


class Tally(NamedTuple):
    checked: int
    good: int
    in_lanes: int  # the library was asked
    disagreements: list[str]


def compare(lanes: EightLanes, checks: Sequence[SignatureCheck]) -> Tally:
    """Both verdicts on each; and that the library itself never says yes where libsodium says no."""
    expected = [verify(*check) for check in checks]
    found = lanes.verify_all(checks)
    wrong = [_text(check) for check, one, other in zip(checks, expected, found, strict=True) if one is not other]
    return Tally(len(checks), sum(expected), sum(map(may_use_lanes, checks)), wrong)


def _text(check: SignatureCheck) -> str:
    return f"key {check.key.hex()} message {check.message.hex()} signature {check.signature.hex()}"


def add(first: Tally, second: Tally) -> Tally:
    """The sum of two."""
    return Tally(
        first.checked + second.checked, first.good + second.good, first.in_lanes + second.in_lanes,
        first.disagreements + second.disagreements,
    )  # fmt: skip


def trial(seed: int) -> Tally:
    """One slice of random and mutated signatures. Raises: AssertionError without a second verifier."""
    lanes = find("auto")
    assert lanes is not None, "the parent process looked for it"
    dice = random.Random(seed)
    total = Tally(0, 0, 0, [])
    for _ in range(SLICE // BULK):
        total = add(total, compare(lanes, [spoiled(dice) for _ in range(BULK)]))
    return total


def published(path: Path) -> list[SignatureCheck]:
    """The vectors of a file, and each with another last bit of its message or signature."""
    if path.suffix == ".json":
        vectors = json.loads(path.read_text())
        rows = [(bytes.fromhex(v["key"]), v["msg"].encode(), bytes.fromhex(v["sig"])) for v in vectors]
    else:
        fields = (line.split(":") for line in path.read_text().split())
        rows = [(bytes.fromhex(key), bytes.fromhex(text), bytes.fromhex(sig)[:64]) for _, key, text, sig, *_ in fields]
    checks = [SignatureCheck(PublicKey(key), message, Signature(sig)) for key, message, sig in rows]
    return [*checks, *map(_one_bit_off, checks)]


def _one_bit_off(check: SignatureCheck) -> SignatureCheck:
    if check.message:
        return check._replace(message=check.message[:-1] + bytes([check.message[-1] ^ 1]))
    changed = bytes([check.signature[0] ^ 1]) + check.signature[1:]
    return check._replace(signature=Signature(changed))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--published", type=Path, action="append", default=[])
    asked = parser.parse_args()
    lanes = find("auto")
    if lanes is None:
        print("this machine has no second verifier: no AVX-512 IFMA, or the extra [fast] is missing (make fast)")
        return 2
    began = time.monotonic()
    torsion = iter(with_torsion())
    total = Tally(0, 0, 0, [])
    while bulk := list(islice(torsion, BULK)):
        total = add(total, compare(lanes, bulk))
    for path in asked.published:
        total = add(total, compare(lanes, published(path)))
    with ProcessPoolExecutor(asked.jobs) as pool:
        for number, one in enumerate(pool.map(trial, _seeds(asked.count)), 1):
            total = add(total, one)
            if number % 10 == 0:
                print(f"{total.checked} checked, {len(total.disagreements)} disagreements", flush=True)
    for sentence in total.disagreements[:10]:
        print(sentence)
    print(
        f"{total.checked} signatures, {total.good} good, {total.in_lanes} in lanes: {len(total.disagreements)} "
        f"disagreements, {time.monotonic() - began:.0f} s"
    )
    return 1 if total.disagreements else 0


def _seeds(count: int) -> Iterator[int]:
    yield from range(-(-count // SLICE))


if __name__ == "__main__":
    sys.exit(main())
