"""Which listeners must not be reachable from outside (C14): checked before a node opens anything."""

import pytest
from msgspec.structs import replace

from chainnode.config import NodeConfig
from chainnode.devnet_layout import node_config, plan_ports
from chainnode.failures import BadConfiguration
from chainnode.process import check_private
from tests.points.market import genesis_of

PLACES = plan_ports(20_000, 4)
CONFIG = node_config(PLACES[0], PLACES)


def with_host(section: str, host: str) -> NodeConfig:
    return replace(CONFIG, **{section: replace(getattr(CONFIG, section), host=host)})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost"])
def test_loopback_is_private(host: str) -> None:
    check_private(with_host("admin", host), replace(genesis_of(), test_clock=True))


@pytest.mark.parametrize("host", ["192.168.0.1", "::", "10.0.0.1", "example.org", ""])
@pytest.mark.parametrize("section", ["admin", "http", "ingress"])
def test_a_public_listener_is_refused_with_its_section(section: str, host: str) -> None:
    with pytest.raises(BadConfiguration, match=rf"\[{section}\]"):
        check_private(with_host(section, host), replace(genesis_of(), test_clock=True))


@pytest.mark.parametrize("section", ["http", "ingress"])
def test_without_a_test_clock_users_may_come_from_outside(section: str) -> None:
    check_private(with_host(section, "10.0.0.1"), replace(genesis_of(), test_clock=False))
