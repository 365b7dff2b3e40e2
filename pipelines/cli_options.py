"""What the commands share: the home, business days, and where their words go."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from functools import wraps
from pathlib import Path
from typing import Any

import click

from pipelines.settings import Settings


class Day(click.ParamType[date]):
    """A business day, YYYY-MM-DD."""

    name = "YYYY-MM-DD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        try:
            return datetime.strptime(value, "%Y-%m-%d").date()
        except ValueError:
            self.fail(f"{value!r} is no day; write it as YYYY-MM-DD", param, ctx)


def log(line: str) -> None:
    click.echo(line, err=True)


def home_options(command: Callable[..., None]) -> Callable[..., None]:
    """`--home`, `--sources` and `--landing`, turned into `settings`."""

    @click.option("--home", type=click.Path(path_type=Path), help="The data home [default: $NIGHTSHIFT_HOME or ./var].")
    @click.option("--sources", type=click.Path(path_type=Path), help="The mapping [default: sources.yml in the home].")
    @click.option(
        "--landing",
        type=click.Path(path_type=Path),
        help="Where the store delivers [default: landing/ in the home].",
    )
    @wraps(command)
    def with_settings(home: Path | None, sources: Path | None, landing: Path | None, **rest: Any) -> None:
        command(settings=Settings.load(home, sources, landing), **rest)

    return with_settings


as_of_option = click.option(
    "--as-of",
    type=Day(),
    help="The business day whose end is the night's now [default: the last day delivered].",
)
