"""Every code has its two texts, and none is an empty promise."""

from primitives.catalogue import explain, known_codes
from primitives.codes import Code


def test_every_code_is_explained_in_both_languages() -> None:
    assert known_codes() == frozenset(Code)
    for code in Code:
        zh, en = explain(code, "zh"), explain(code, "en")
        assert all(text.strip() for text in (*zh, *en)), code.name
        assert not (zh.title + zh.fix).isascii(), f"{code.name} has no Chinese"
        assert (en.title + en.fix).isascii(), f"{code.name} has no plain English"


def test_a_code_of_a_newer_release_is_told_as_such() -> None:
    assert "release" in explain(4999, "en").title
    assert explain(int(Code.INSUFFICIENT), "en") == explain(Code.INSUFFICIENT, "en")
