"""Every scenario gives on four real processes what it gives in one: the same codes, the same numbers (C14).

Heights, ids and roots differ, as the two networks have different genesis and flush blocks count; so do the words about
what no block ever held. A network per file costs about 2 s of two cores, so `make test` plays every third file and
`make play-devnet` all of them.
"""

import os
import re
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from chainnode.play import OpenEngine, Player
from chainnode.play_devnet import devnet_engine
from chainnode.play_instant import open_instant
from chainnode.play_scenario import load_scenario

ALONE = dict.fromkeys(
    ("59-validators", "66-twenty-two-validators", "67-decisions-carried-out"),
    "its newcomers have no process: on real nodes nobody would vote for them",
)
FOUND = sorted((Path(__file__).resolve().parents[2] / "scenarios").glob("*.json"))
FILES = [path for path in FOUND if path.stem not in ALONE]
SHARE = 1 if os.environ.get("HNCHAIN_PLAY_ALL") else 3
OF_THE_NETWORK = {"height", "state_root", "index", "as_of"}
REFUSED_EARLY = {"BAD_SIGNATURE", "ACCOUNT_UNKNOWN"}  # a real node asks before it pools, the instant one in the block
IDENTIFIER = re.compile(r"(?:[0-9a-f]{32}){1,2}|hn1[0-9a-z]{38}")


def lines_of(path: Path, engine: OpenEngine) -> list[Any]:
    """What the run tells, without what may differ: ids become their number in order of appearance."""
    lines: list[Any] = []
    fault = Player(load_scenario(path.stem, path.read_bytes()), engine, lines.append).run()
    assert fault is None, f"{path.name}: {fault}"
    names: dict[str, str] = {}
    numbers = count()

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            code = value.get("code")
            if isinstance(code, str) and code in REFUSED_EARLY:  # of a block it is a list
                return code
            left = OF_THE_NETWORK | ({"detail"} if value.get("height", 0) is None else set())
            return {plain(k): plain(v) for k, v in value.items() if k not in left}
        if isinstance(value, list):
            return [plain(item) for item in value]
        if isinstance(value, str):
            return IDENTIFIER.sub(lambda found: names.setdefault(found[0], f"#{next(numbers)}"), value)
        return value

    return [plain(line) for line in lines]


@pytest.mark.parametrize("path", FILES[::SHARE], ids=lambda path: path.stem)
def test_the_same_codes_and_numbers_on_both_engines(path: Path, tmp_path: Path) -> None:
    with devnet_engine(tmp_path, 4) as open_devnet:
        real = lines_of(path, open_devnet)
    virtual = lines_of(path, open_instant)
    assert len(real) == len(virtual)
    for number, (on_devnet, on_instant) in enumerate(zip(real, virtual, strict=True)):
        assert on_devnet == on_instant, f"{path.name}, step {number}"
