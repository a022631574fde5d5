"""Transactions that are signed once: a file that grows part by part, and what is left of it after a kill."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from benchmarks.network import demo_keys
from benchmarks.signed_file import Recipe, Share, SignedFile, SignedWriter, part_of, read_recipe
from benchmarks.signing import sign_into
from benchmarks.workload import Cast, Writer, cast_of
from primitives.codec import Malformed
from primitives.hashing import Digest
from primitives.transaction import decode_transaction

SEED = bytes(range(32))
RECIPE = Recipe(bytes(32), SEED, 1_800_000_000, 4, 8, "mixed", 1, "run", 1_800_000_600, 1_800_000_900, 25, 10)


def cast() -> Cast:
    return cast_of(Digest(bytes(32)), SEED, demo_keys(SEED), 8)


def whole(path: Path) -> bytes:
    told: list[int] = []
    assert sign_into(path, cast(), RECIPE, told.append) == 25
    return path.read_bytes()


def test_a_file_holds_what_the_writer_would_sign(tmp_path: Path) -> None:
    whole(tmp_path / "signed")
    expected = []
    for number, size in enumerate((10, 10, 5)):
        expected += Writer(cast(), f"run.{number}", RECIPE.valid_until, number).transactions("mixed", size, number * 10)
    with SignedFile(tmp_path / "signed") as file:
        assert [file.raw(n) for n in range(len(file))] == expected
        assert [file.id(n) for n in range(25)] == [decode_transaction(raw).id for raw in expected]
        assert file.recipe == RECIPE and file.parts == 3
    assert read_recipe(tmp_path / "signed") == RECIPE


@pytest.mark.parametrize("left", [0.05, 0.4, 0.5, 0.9, 0.999, 1.0])
def test_an_interrupted_file_becomes_the_same_one(tmp_path: Path, left: float) -> None:
    raw = whole(tmp_path / "whole")
    with SignedFile(tmp_path / "whole") as file:
        head = file.end - len(raw) + raw.index(part_of([file.raw(n) for n in range(10)]))  # before the first part
    cut = tmp_path / "cut"
    cut.write_bytes(raw[: head + int((len(raw) - head) * left)])
    fresh = sign_into(cut, cast(), RECIPE, lambda _: None)
    assert cut.read_bytes() == raw
    assert fresh == {0.05: 25, 0.4: 25, 0.5: 15, 0.9: 5, 0.999: 5, 1.0: 0}[left]


def test_another_recipe_is_not_signed_into_the_file(tmp_path: Path) -> None:
    whole(tmp_path / "signed")
    for other in (replace(RECIPE, run="other"), replace(RECIPE, count=26), replace(RECIPE, chain_id=b"\1" * 32)):
        with pytest.raises(Malformed, match="something else"):
            SignedWriter(tmp_path / "signed", other)


def test_foreign_and_damaged_files_are_named(tmp_path: Path) -> None:
    raw = whole(tmp_path / "signed")
    (tmp_path / "foreign").write_bytes(b"hello, world\n" * 10)
    (tmp_path / "empty").write_bytes(b"")
    with SignedFile(tmp_path / "signed") as file:
        first = raw.index(file.raw(0))
    (tmp_path / "damaged").write_bytes(raw[: first - 1] + b"\0" + raw[first:])  # the first transaction's length
    for name in ("foreign", "empty", "damaged"):
        with pytest.raises(Malformed, match=name):
            SignedFile(tmp_path / name)


def test_shares_are_all_of_it_once(tmp_path: Path) -> None:
    whole(tmp_path / "signed")
    with SignedFile(tmp_path / "signed") as file:
        shares = [Share(file, range(part, 20, 3), [b"poke"]) for part in range(3)]
        assert [len(share) for share in shares] == [8, 8, 7]
        assert all(share[len(share) - 1] == b"poke" for share in shares)
        seen = [raw for share in shares for raw in share[: len(share) - 1]]
        assert sorted(seen) == sorted(file.raw(n) for n in range(20))
        ids = Share(file, range(1, 20, 3), ids=True)
        assert list(ids) == [decode_transaction(raw).id for raw in shares[1][: len(ids)]]
