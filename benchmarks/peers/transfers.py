"""The work: debit one account, credit another, keep an order record that nobody may write twice."""

import random
import secrets
from collections.abc import Iterator
from typing import Final, NamedTuple

OPENING: Final = 10**9  # of every account: no run comes near its end
AMOUNT_MAX: Final = 100
TRANSFER_BYTES: Final = 200  # as long as a signed transaction of ours: order, accounts and amount, the rest is filled
_FIELDS_BYTES: Final = 40  # what order id, two accounts and amount take of these


class Transfer(NamedTuple):
    """`order` is unique over all runs; `record` is what the shop keeps with it. Debit and credit differ."""

    order: str
    debit: int
    credit: int
    amount: int
    record: bytes


def transfers(accounts: int, seed: int) -> Iterator[Transfer]:
    """Without end, over pairs of different accounts drawn evenly. Needs two accounts at least."""
    chance = random.Random(seed)  # which accounts: no secret
    prefix = secrets.token_hex(6)
    record = chance.randbytes(TRANSFER_BYTES - _FIELDS_BYTES)
    number = 0
    while True:
        number += 1
        debit = int(chance.random() * accounts)
        credit = (debit + 1 + int(chance.random() * (accounts - 1))) % accounts
        yield Transfer(f"{prefix}-{number}", debit, credit, 1 + number % AMOUNT_MAX, record)
