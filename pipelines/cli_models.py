"""The commands about models: backtest, promote, reproduce."""

from __future__ import annotations

from datetime import date

import click

from models.questions import NAMES
from pipelines import nights
from pipelines.cli_options import as_of_option, home_options, log
from pipelines.settings import Settings

model_argument = click.argument("model", type=click.Choice(NAMES))


@click.command()
@model_argument
@click.option(
    "--origins",
    type=click.IntRange(1, 100),
    help="Days to forecast from, a window apart, as far as the newer half of the history goes [default: the gate's].",
)
@as_of_option
@home_options
def backtest(settings: Settings, model: str, origins: int | None, as_of: date | None) -> None:
    """Judge a model and its baselines on past windows, each seeing nothing later; a table, plots and intervals."""
    report = nights.backtest(settings, model, as_of or nights.last_complete_day(settings), origins, log)
    for line in report.lines:
        click.echo(line)
    click.echo(f"table: {report.table}")
    click.echo(f"plots: {report.page}")


@click.command()
@model_argument
@click.option("--version", "number", required=True, help="Registered version, or the beginning of a model_version.")
@click.option("--because", required=True, help="The reason; it is kept with the decision.")
@home_options
def promote(settings: Settings, model: str, number: str, because: str) -> None:
    """Make a version champion, or go back to an earlier one, whatever the gate said."""
    from pipelines.promotion import promote as promote_version

    version = promote_version(settings, model, number, because, log)
    click.echo(f"{model}: {version.name} speaks from the next night on; decided in {settings.home / 'decisions'}")


@click.command()
@click.argument("run_id")
@home_options
def reproduce(settings: Settings, run_id: str) -> None:
    """Learn a registered model again from its snapshot, commit and seed, and compare the predictions."""
    from pipelines.reproduction import reproduce as reproduce_run

    done = reproduce_run(settings, run_id, log)
    click.echo(f"{done.model}: {done.rebuilt_version} again; all {done.rows:,} predictions are identical")
