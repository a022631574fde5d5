"""Offices in any state: one per account, as its roles say, and none that holds points (2.12)."""

from collections.abc import Iterator

from points.governance_records import Committee
from points.keys import COMMITTEE_KEY, CUSTODIANS_KEY, account_key, office_key
from points.offices import BITS
from points.state import Account, AccountKind, Custodians, Role
from points.view import View


def office_faults(view: View) -> Iterator[str]:
    """Roles without an entry, entries without a role, more than one role, and members that may not vote."""
    custodians: Custodians = view.get(CUSTODIANS_KEY) or Custodians(())
    listed = {key[1:] for key, _ in view.range(b"m", b"n")}
    of_bit = {bit.value: office for office, bit in BITS.items()}
    for key, record in view.range(b"A", b"B"):
        account: Account = record
        roles = account.roles & ~Role.COMMITTEE
        if account.roles.bit_count() > 1 or (account.roles and account.kind is not AccountKind.SYSTEM):
            yield f"{key[1:].hex()}: roles {account.roles} of an account of kind {account.kind.name}"
        if roles and roles in of_bit:
            entry = office_key(of_bit[roles], key[1:])[1:]
            if entry not in listed:
                yield f"{key[1:].hex()}: role {roles} without an office"
            listed.discard(entry)
        if bool(roles & Role.CUSTODIAN) is not (key[1:] in custodians.accounts):
            yield f"{key[1:].hex()}: role {roles}, among the custodians: {key[1:] in custodians.accounts}"
    for left in listed:
        yield f"office {left.hex()} without an account that has its role"
    committee: Committee = view.get(COMMITTEE_KEY) or Committee(())
    if list(committee.members) != sorted(committee.members):
        yield "the members are out of order"
    for member, weight in committee.members:
        found: Account | None = view.get(account_key(member))
        if found is None or not found.roles & Role.COMMITTEE or not weight:
            yield f"member {member.hex()} of weight {weight} has not the role"
