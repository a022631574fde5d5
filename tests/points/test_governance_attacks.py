"""What an applicant, a merchant under charge or a clumsy decision could try against the committee (2.8, 2.10)."""

import pytest

from points.applications import APPLICATION_SECONDS
from points.keys import account_key, papers_key
from points.state import MerchantStatus
from primitives.codes import Code
from primitives.kinds import AccountKey, KeyAdd, KeyRevoke, KycAttest, KycRevoke, MerchantApply, RecoveryStart
from primitives.kinds_identity import GuardiansSet
from tests.points.council import Council, admission, parameters, status
from tests.points.market import ADDRESS, DAY, address, key_of

MEMBERS = ("m1", "m2", "m3", "m4", "m5")


def test_a_merchant_cannot_shut_the_committee_out_by_listing_its_keys() -> None:
    """Public keys are public: who lists a member's key would make every member stand aside from its own case."""
    council = Council()
    for name in MEMBERS:
        assert council.do("A", KeyAdd(key_of(name).public_key, "pos", 0)) is Code.BAD_KEY
    council.decide(status("A", "SUSPENDED"))
    assert council.status("A") is MerchantStatus.SUSPENDED


def test_no_way_to_keys_takes_those_of_a_member() -> None:
    """Neither guardians nor other members; the member's own choice makes it stand aside."""
    council = Council()
    council.ok("A", GuardiansSet((address("u"),), 1))
    stolen = (AccountKey(key_of("x").public_key), AccountKey(key_of("m1").public_key))
    assert council.do("u", RecoveryStart(ADDRESS["A"], stolen, 1)) is Code.BAD_KEY
    council.ok("m1", KeyAdd(key_of("A").public_key, "settlement"))
    assert council.propose(status("A", "SUSPENDED"), by="m1") is Code.RECUSED
    assert council.do("m2", KeyAdd(key_of("m1").public_key, "owner")) is Code.BAD_KEY, "one hand, two voices"
    council.ok("m1", KeyRevoke(key_of("A").public_key))
    council.ok("m1", KeyAdd(key_of("m1.2").public_key, "owner"))
    assert council.propose(status("A", "SUSPENDED"), by="m1") is Code.OK


def test_an_admission_is_of_the_application_that_was_put_to_the_vote() -> None:
    """The application lapses while its admission is decided, and the same account applies with other papers."""
    council = Council()
    council.apply("n")
    council.advance(APPLICATION_SECONDS - DAY - 60)
    council.propose(admission("n"))
    council.advance(120)
    council.vote("YES", "m1", "m2", "m3")
    council.at(council.view.get(papers_key(address("n"))).due)
    assert council.view.get(papers_key(address("n"))) is None
    council.ok("n", MerchantApply("TRANSPORT", "别家", "Another", bytes([1]) * 32))
    council.advance(DAY)
    assert council.status("n") is MerchantStatus.APPLIED
    assert council.proposal().failure == Code.MERCHANT_UNKNOWN
    assert council.execute() is Code.MERCHANT_UNKNOWN
    council.decide(admission("n"), "anew")
    assert council.status("n") is MerchantStatus.ACTIVE


@pytest.mark.parametrize("values", [{"settle_days": 0}, {"refund_window_days": 0, "return_window_days": 0}])
def test_no_parameter_takes_the_time_to_pay_or_the_memory_of_orders(values: dict[str, int]) -> None:
    """settle_days 0: the cut would default every debtor in its own second. No days of orders: a retry pays twice."""
    assert Council().propose(parameters(**values)) is Code.BAD_PROPOSAL


def test_an_application_does_not_save_a_tier_from_its_attester() -> None:
    """Who loses the tier applies, waits until the application lapses, and is a tourist of that tier again."""
    council = Council()
    council.ok("attester", KycAttest(address("n"), 2, 2**40, bytes(32)))
    council.apply("n")
    assert council.do("attester", KycAttest(address("n"), 1, 2**40, bytes(32))) is Code.NOT_AUTHORISED
    assert council.do("attester", KycRevoke(address("n"))) is Code.OK
    assert council.do("attester", KycRevoke(address("n"))) is Code.NOT_AUTHORISED
    council.advance(APPLICATION_SECONDS)
    assert council.view.get(account_key(address("n"))).tier == 0
