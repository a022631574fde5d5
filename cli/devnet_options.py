"""The folder of a local network as an option, and its failures as exit codes."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from chainnode.devnet_calls import NoAnswer, Refused
from chainnode.devnet_layout import PORT_BASE, plan_ports
from chainnode.failures import NodeFailure, PortTaken
from chainnode.listening_ports import is_free
from cli.client import problem_code
from cli.language import t
from cli.network import DEVNET_DIRECTORY
from cli.verdicts import Refusal, Verdict, failure_refusal, usage
from primitives.codes import Code

F = TypeVar("F", bound=Callable[..., Any])


def with_directory(command: F) -> F:
    """Adds --dir and turns the network's failures into exit codes."""

    @click.option("--dir", "directory", type=click.Path(path_type=Path), default=DEVNET_DIRECTORY, show_default=True,
                  metavar="DIR", help=t("The network's folder.", "网络目录。"))  # fmt: skip
    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except PortTaken as error:
            raise Refusal(Verdict.USAGE, Code.PORT_TAKEN, str(error), free_base_advice()) from error
        except NodeFailure as error:
            raise failure_refusal(error) from error
        except (ValueError, FileExistsError) as error:
            raise usage(str(error)) from error
        except NoAnswer as error:
            raise Refusal(Verdict.UNREACHABLE, Code.NODE_UNREACHABLE, str(error)) from error
        except Refused as error:
            code = problem_code(error.problem, Code.BAD_REQUEST)
            raise Refusal(Verdict.REJECTED, code, str(error.problem.get("detail", error))) from error

    return wrapper  # type: ignore[return-value]  # adds options only


def free_base_advice() -> str:
    """An option that would work now."""
    for base in range(PORT_BASE, 60_000, 100):
        if all(is_free(port) for place in plan_ports(base, 4) for port in place.ports):
            return f"--port-base {base}"
    return "--port-base N"
