"""Locust's side of a load from many machines; see swarm.py. Started by `hnchain bench locust`, or by Locust itself.

Every machine has a copy of the network's folder (devnet.json and genesis.json): it holds the keys that sign.
"""

import itertools
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from locust import User, events, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.event import EventHook
from locust.runners import WorkerRunner

from benchmarks.aftermath import Reader
from benchmarks.network import Network, running_network
from benchmarks.result_file import save_json
from benchmarks.swarm import COMMITTED, Pace, Sender, Tally
from benchmarks.workload import BATCH_OPERATIONS, PROFILES, Scene, scene_of
from chainnode.failures import NodeFailure
from cli.language import choose, t, use
from primitives.address import encode_address

F = TypeVar("F", bound=Callable[..., None])

KEY: Final = "hnchain"  # of our part in what a worker reports
ANYWHERE: Final = tuple(name for name in PROFILES if scene_of(name) == Scene())  # on any network
NOT_READY: Final = 2  # exit code
STOP_SECONDS: Final = 25.0  # for what is under way at the end, unless --stop-timeout says otherwise

use(choose((), os.environ))
logger = logging.getLogger("hnchain")


def on(hook: EventHook) -> Callable[[F], F]:
    """Its add_listener, with a type."""
    return cast(Callable[[F], F], hook.add_listener)


class Swarm:
    """What the users of this process share."""

    def __init__(self) -> None:
        self.tally: Final = Tally()
        self.network: Network | None = None
        self.users: Final = itertools.count()
        self.began = 0.0
        self.ended = 0.0
        self.workers: Final[set[str]] = set()  # ids of those that reported; none in a single process


swarm: Final = Swarm()


@on(events.init_command_line_parser)
def _options(parser: LocustArgumentParser) -> None:
    parser.set_defaults(stop_timeout=STOP_SECONDS)
    group = parser.add_argument_group("hnchain")
    group.add_argument("--network", default=".devnet", metavar="DIR",
                       help=t("The network's folder, or a copy of it.", "网络目录或其副本。"))  # fmt: skip
    group.add_argument("--nodes", default="", metavar="URL,URL",
                       help=t("Where to send; default: to all of it.", "目标节点；默认为全部节点。"))  # fmt: skip
    group.add_argument("--load-profile", default="mixed", choices=ANYWHERE,
                       help=t("Which transactions.", "交易类型组合。"))  # fmt: skip
    group.add_argument("--user-rate", type=float, default=5.0, metavar="N",
                       help=t("Requests per second of a user.", "每个用户每秒请求数。"))  # fmt: skip
    group.add_argument("--bulk", type=int, default=1, metavar="N",
                       help=t("Transactions of a request.", "每个请求的交易数。"))  # fmt: skip
    group.add_argument("--tourists", type=int, default=100, metavar="N",
                       help=t("Accounts, as in `hnchain bench fund`.", "账户数，同 hnchain bench fund。"))  # fmt: skip
    group.add_argument("--report", default="", metavar="FILE.json",
                       help=t("Keep the figures of all machines.", "保存所有机器的汇总结果。"))  # fmt: skip


@on(events.test_start)
def _start(environment: Environment, **_: Any) -> None:
    options = environment.parsed_options
    assert options is not None and environment.runner is not None, "started by Locust's own command"
    swarm.began = time.monotonic()
    try:
        urls = tuple(url for url in options.nodes.split(",") if url)
        swarm.network = running_network(Path(options.network), options.tourists, urls)
        _check_accounts(swarm.network)
    except (NodeFailure, OSError) as error:
        logger.error("%s", error)
        environment.process_exit_code = NOT_READY
        environment.runner.quit()


def _check_accounts(network: Network) -> None:
    """Raises: OSError if the accounts of the load are not there."""
    reader = Reader(network.urls[0])
    try:
        reader.get("/v1/status")
        reader.get(f"/v1/accounts/{encode_address(network.cast.tourists[-1].address)}")
    except OSError as error:
        count = len(network.cast.tourists)
        first = t("first", "请先运行")
        raise OSError(f"{network.urls[0]}: {error}; {first}: hnchain bench fund --tourists {count}") from error
    finally:
        reader.close()


class Payer(User):
    """Sends transactions that it signs itself, at its own even pace."""

    def on_start(self) -> None:
        """A connection to one of the nodes; users go to them in turn."""
        options, network = self.environment.parsed_options, swarm.network
        assert options is not None and network is not None, "test_start was first"
        url = network.urls[next(swarm.users) % len(network.urls)]
        self._sender = Sender(network.cast, url, options.load_profile, BATCH_OPERATIONS)
        self._bulk: int = options.bulk
        self._pace = Pace(time.monotonic(), 1 / options.user_rate)

    def on_stop(self) -> None:
        """Close the connection."""
        self._sender.close()

    def wait_time(self) -> float:
        """Until the next one is due."""
        return self._pace.wait(time.monotonic())

    @task
    def pay(self) -> None:
        """One request; every transaction of it is reported."""
        raws = self._sender.write(self._bulk)
        outcomes = self._sender.send(raws)
        seconds = time.monotonic() - self._pace.due
        for raw, outcome in zip(raws, outcomes, strict=True):
            swarm.tally.add(seconds, outcome)
            self.environment.events.request.fire(
                request_type="TX", name=self.environment.parsed_options.load_profile, response_time=seconds * 1000,
                response_length=len(raw), context={}, exception=None if outcome == COMMITTED else Exception(outcome),
            )  # fmt: skip


@on(events.test_stop)
def _stop(**_: Any) -> None:
    swarm.ended = time.monotonic()


@on(events.report_to_master)
def _report(client_id: str, data: dict[str, Any], **_: Any) -> None:
    data[KEY] = swarm.tally.taken()


@on(events.worker_report)
def _reported(client_id: str, data: dict[str, Any], **_: Any) -> None:
    swarm.workers.add(client_id)
    swarm.tally.put(data[KEY])


@on(events.init)
def _ready(environment: Environment, **_: Any) -> None:
    @on(events.quit)
    def write(exit_code: int, **_: Any) -> None:
        options = environment.parsed_options
        assert options is not None, "started by Locust's own command"
        if isinstance(environment.runner, WorkerRunner) or not options.report or not swarm.began:
            return
        seconds = (swarm.ended or time.monotonic()) - swarm.began
        processes = len(swarm.workers) or 1
        result = swarm.tally.result(options.load_profile, options.num_users, options.user_rate, processes, seconds)
        save_json(Path(options.report), result)
