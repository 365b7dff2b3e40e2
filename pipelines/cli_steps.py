"""How a command runs a step of a night: it holds the home for as long."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date
from typing import Any

from pipelines import nights
from pipelines.cli_options import log
from pipelines.home import COMMAND_OWNER, Home
from pipelines.settings import Settings


def owner() -> str:
    return f"{COMMAND_OWNER} {os.getpid()}"


def step(settings: Settings, as_of: date | None, work: Callable[..., Any]) -> Any:
    """Run a step for a day, the last complete one by default, and let the home go."""
    name = owner()
    try:
        return work(settings, as_of or nights.last_complete_day(settings), name, log)
    finally:
        Home.open(settings.home).release(name)
