"""The year of the demo, chapter by chapter. 1 point = 1 fen unless a class says otherwise."""

from pathlib import Path

from cli.demo_acts import morning
from cli.demo_market import create_classes, deposit, earn, exchange, last_ride, refund, spend
from cli.demo_money import default, expire, refund_later, settle_window
from cli.demo_office import ask_admission, find_admitted, wind_down
from cli.demo_people import campaign, lost_phone
from cli.demo_proof import audit, prove, year_end
from cli.demo_stage import Stage
from cli.demo_trials import errata, sandbox

__all__ = ["morning", "tell_year"]


def tell_year(stage: Stage, genesis_path: Path, folder: Path) -> None:
    """All chapters. Raises: StoryFailed at the first thing that is not as it must be."""
    began = stage.now
    for chapter in (
        create_classes, ask_admission, earn, spend, deposit, refund, exchange, last_ride, settle_window, refund_later,
        expire, find_admitted, campaign, sandbox, lost_phone, errata, default, wind_down,
    ):  # fmt: skip
        chapter(stage)
    year_end(stage, began)
    audit(stage)
    prove(stage, genesis_path, folder)
