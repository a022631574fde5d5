"""Payloads of gov_propose that change who decides: the members of the committee, and the offices of 2.12."""

from typing import Literal

from primitives.codec import U64, Bytes20, Record

Office = Literal["operator", "regulator", "custodian", "attester", "auditor"]


class SetMember(Record, tag="set_member"):
    """What the votes of an account weigh from now on; 0: it leaves the committee."""

    account: Bytes20
    weight: U64


class GrantOffice(Record, tag="grant_office"):
    """To an account that never held points, is no merchant and has no other office."""

    account: Bytes20
    office: Office


class RevokeOffice(Record, tag="revoke_office"):
    """The account is a tourist's again."""

    account: Bytes20
    office: Office
