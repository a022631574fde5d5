"""The gateway refuses texts that name a person; what merely has many digits passes."""

import msgspec
import pytest

from chainnode.personal_data import tells_a_person
from chainnode.submissions import BULK, MSGPACK
from primitives.kinds import BatchOperations, Freeze, Issue, Transfer
from tests.chainnode.solo import Town, call
from tests.points.market import ADDRESS


def memo(text: str) -> Issue:
    return Issue("hA", ADDRESS["u"], 1, "o", "EARN", 1, text.encode())


@pytest.mark.parametrize(
    "text", ["13800138000", "tel. 138 0013 8000!", "电话１３８００１３８０００", "138-0013-8000", "11010519491231002X",
             "id 460105 19900307 7212.", "460105199003077212"],
)  # fmt: skip
def test_numbers_of_people(text: str) -> None:
    assert tells_a_person(memo(text))
    assert tells_a_person(BatchOperations((memo("ok"), memo(text))))
    assert tells_a_person(Transfer("hA", 1, ADDRESS["v"], text.encode()))
    assert tells_a_person(Freeze(ADDRESS["u"], "OUT", text.encode(), 1))


@pytest.mark.parametrize(
    "text", ["", "order 1380013800", "R-138001380001", "12800138000", "460105199013077212", "202605011830450001",
             "4601051990030772123", "room 1203, 2 nights, 888.00"],
)  # fmt: skip
def test_numbers_of_things(text: str) -> None:
    assert not tells_a_person(memo(text))


def test_the_edge_refuses_it_alone_and_in_a_bulk() -> None:
    town = Town()
    bad = town.sign("A", Issue("hA", ADDRESS["u"], 5, "o1", "EARN", 5, b"13800138000"))
    status, problem = call(town, "POST", "/v1/transactions", bad, MSGPACK)
    assert (status, problem["name"], problem["phase"]) == (409, "MEMO_PII", "admission")
    raws = [town.issue("o2"), bad]
    status, lines = call(town, "POST", "/v1/transactions", msgspec.msgpack.encode(raws), BULK)
    assert [line["code"] for line in lines] == ["OK", "MEMO_PII"]
    assert call(town, "GET", "/v1/supply")[1]["hA"]["issued"] == 10_000
