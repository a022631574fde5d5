"""Every pitfall has a test, and every number on a test is one."""

from tests.pitfalls.marked import COUNT, happened, marked_tests, titles


def test_every_number_has_a_title() -> None:
    assert sorted(titles()) == list(range(1, COUNT + 1))
    assert happened() <= set(titles())


def test_every_number_has_a_test() -> None:
    marked = {number for test in marked_tests() for number in test.numbers}
    assert marked == set(titles())
