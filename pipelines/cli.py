"""The `nightshift` command."""

from __future__ import annotations

import sys
from datetime import date

import click

from models.questions import NAMES
from pipelines import nights, status, whole_nights
from pipelines.cli_exports import explain, export, replay
from pipelines.cli_measure import measure
from pipelines.cli_models import backtest, promote, reproduce
from pipelines.cli_options import Day, as_of_option, home_options, log
from pipelines.cli_personal import erase, rotate_key
from pipelines.cli_quarantine import quarantine
from pipelines.cli_retention import prune
from pipelines.cli_sources import sources
from pipelines.cli_sql import sql
from pipelines.cli_stack import stack
from pipelines.cli_steps import owner, step
from pipelines.errors import NightshiftError, UsageError, system_error
from pipelines.export_delivery import DeliveredInPartError
from pipelines.feeds import FEEDS
from pipelines.home import Home
from pipelines.settings import Settings
from pipelines.whole_nights import NightsInPartError

models_argument = click.argument("models", nargs=-1, type=click.Choice(NAMES))


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="nightshift")
def cli() -> None:
    """The night shift of an online store.

    A night is: ingest, build, score, export, publish. `nightshift run` does all of it for a day; the other
    commands do one step each. A first look: nightshift init, nightshift simulate, nightshift run --train.
    """


cli.add_command(quarantine)


@cli.command()
@home_options
def init(settings: Settings) -> None:
    """Make a data home: its folders, the key of the personal-data hash, and a commented sources.yml."""
    home = Home.create(settings.home)
    if not settings.sources_file.exists():
        settings.sources_file.write_text(SOURCES_TEMPLATE)
    click.echo(f"home: {home.root}")
    click.echo(f"map your store's files in {settings.sources_file}, or write a simulated store: nightshift simulate")


@cli.command()
@home_options
@click.option("--scale", type=click.FloatRange(0.005, 10), default=0.15, show_default=True, help="1 is 2,000 SKUs.")
@click.option("--days", type=click.IntRange(1, 3650), default=540, show_default=True, help="Days of history.")
@click.option("--seed", type=int, default=1, show_default=True, help="The world: same seed, same bytes.")
@click.option("--first-day", type=Day(), default="2025-01-01", show_default=True, help="The first business day.")
@click.option("--dirty", type=click.FloatRange(0, 0.5), default=0.0, show_default=True, help="Share of broken rows.")
@click.option("--feeds", help="Only these feeds, separated by commas.")
@click.option(
    "--format",
    type=click.Choice(("text", "parquet")),
    default="text",
    show_default=True,
    help="Gzipped CSV and JSON Lines, or typed Parquet.",
)
@click.option(
    "--currencies", type=click.IntRange(1, 2), default=1, show_default=True, help="2: orders from abroad in euros."
)
@click.option("--describe", "is_described", is_flag=True, help="Write truth/store.html: plots of the store.")
def simulate(
    settings: Settings,
    scale: float,
    days: int,
    seed: int,
    first_day: date,
    dirty: float,
    feeds: str | None,
    format: str,
    currencies: int,
    is_described: bool,
) -> None:
    """Write a store with known truth into landing/, its truth into truth/, and a sources.yml that maps it."""
    from pipelines import simulate as simulator
    from pipelines.simulate.arguments import Arguments

    home = Home.create(settings.home)
    names = frozenset(name.strip() for name in feeds.split(",")) if feeds else frozenset(FEEDS)
    arguments = Arguments(scale, days, seed, first_day, names, dirty, format, currencies)
    store = simulator.simulate(settings.landing_folder, home.root / "truth", arguments, log)
    if not settings.sources_file.exists():
        settings.sources_file.write_text(simulator.sources_yml(format))
    click.echo(f"store: {store.first_day} to {store.last_day} in {settings.landing_folder}")
    if is_described:
        from pipelines.simulate.describe import describe

        page = describe(settings.landing_folder, home.root / "truth", home.root / "truth" / "store.html")
        click.echo(f"described: {page}")
    click.echo(f"next: nightshift run --home {settings.home} --as-of {store.last_day} --train")


@cli.command()
@click.argument("feeds", nargs=-1, type=click.Choice(tuple(FEEDS)), metavar="[FEED]...")
@click.option("--from", "first", type=Day(), help="First business day [default: the first delivered].")
@click.option("--to", "last", type=Day(), help="Last business day [default: the last delivered].")
@click.option("--again", is_flag=True, help="Load also what the ledger shows as loaded.")
@click.option("--accept-checks", is_flag=True, help="Load also a day that the checks stop; the ledger says so.")
@home_options
def ingest(
    settings: Settings,
    feeds: tuple[str, ...],
    first: date | None,
    last: date | None,
    again: bool,
    accept_checks: bool,
) -> None:
    """Load deliveries into raw/; refused rows go to quarantine/ with their reason."""
    reports = nights.ingest(settings, feeds or None, first, last, log, again, accept_checks)
    for report in reports:
        if report.status == "loaded":
            click.echo(
                f"{report.feed}: {report.days:,} days, rows in {report.rows_in:,} = loaded {report.rows_loaded:,} "
                f"+ duplicate {report.rows_duplicate:,} + quarantined {report.rows_quarantined:,}"
                + (f"; left out {report.rows_excluded:,}" if report.rows_excluded else "")
                + (f" ({report.message})" if report.late_days else "")
            )
        elif report.status != "off" or feeds:
            click.echo(f"{report.feed}: {report.status}, {report.message}")
    click.echo(f"raw rows are in {settings.home / 'raw'}, refused ones in {settings.home / 'quarantine'}")


@cli.command()
@as_of_option
@home_options
def build(settings: Settings, as_of: date | None) -> None:
    """Run dbt from staging to features, then write the snapshot that the models read."""
    snapshot = step(settings, as_of, nights.build)
    click.echo(f"snapshot: {settings.home / 'snapshots' / str(snapshot)}")


@cli.command()
@models_argument
@as_of_option
@home_options
def train(settings: Settings, models: tuple[str, ...], as_of: date | None) -> None:
    """Train on the snapshot of a day's build; a challenger that passes the gate becomes champion."""
    for report in nights.train(settings, as_of or nights.last_complete_day(settings), models or None, log):
        click.echo(f"{report.model}: {report.message}")
    click.echo(f"look at it with: mlflow ui --backend-store-uri {settings.mlflow_shown}")


@cli.command()
@as_of_option
@home_options
def score(settings: Settings, as_of: date | None) -> None:
    """Score with the champion, check the predictions, write them."""
    for report in step(settings, as_of, nights.score):
        click.echo(f"predictions: {report.path}")


@cli.command()
@as_of_option
@home_options
def publish(settings: Settings, as_of: date | None) -> None:
    """Swap in the copy of the warehouse that analysts read."""
    step(settings, as_of, nights.publish)
    click.echo(f"published: {settings.home / 'published' / 'warehouse.duckdb'}")


@cli.command()
@as_of_option
@click.option("--from", "first", type=Day(), help="Run every night from this day on [default: only --as-of].")
@click.option("--train", "is_training", is_flag=True, help="Train after each build; a first night wants it.")
@home_options
def run(settings: Settings, as_of: date | None, first: date | None, is_training: bool) -> None:
    """Whole nights: ingest, build, score, export, publish."""
    day = as_of or nights.last_complete_day(settings)
    if first and first > day:
        raise UsageError(f"--from {first} lies after --as-of {day}")
    try:
        whole_nights.run(settings, first or day, day, owner(), is_training, log)
    except (DeliveredInPartError, NightsInPartError):
        click.echo(status.summary(settings))
        raise
    click.echo(status.summary(settings))


@cli.command()
@home_options
@click.option("--scale", type=click.FloatRange(0.005, 10), default=0.15, show_default=True, help="1 is 2,000 SKUs.")
@click.option("--days", type=click.IntRange(90, 3650), default=540, show_default=True, help="Days of history.")
@click.option("--seed", type=int, default=1, show_default=True, help="The world: same seed, same bytes.")
def demo(settings: Settings, scale: float, days: int, seed: int) -> None:
    """A simulated store, taken through its nights by the DAGs under a real Airflow; what `make run` runs."""
    from pipelines.demo import run_demo

    click.echo(run_demo(settings, scale, days, seed, log))


@cli.command()
@home_options
@click.option("--airflow-port", type=int, default=8080, show_default=True)
@click.option("--mlflow-port", type=int, default=5000, show_default=True)
def up(settings: Settings, airflow_port: int, mlflow_port: int) -> None:
    """Serve the Airflow UI, scheduler included, and the MLflow UI on this machine until Ctrl-C."""
    from pipelines import scheduler

    scheduler.serve(settings, airflow_port, mlflow_port, log)


@cli.command(name="status")
@home_options
def show_status(settings: Settings) -> None:
    """What is loaded, how fresh it is, what was built and exported, what failed and why."""
    click.echo(status.report(settings))


cli.add_command(export)
cli.add_command(replay)
cli.add_command(explain)
cli.add_command(prune)
cli.add_command(backtest)
cli.add_command(promote)
cli.add_command(measure)
cli.add_command(reproduce)
cli.add_command(sources)
cli.add_command(sql)
cli.add_command(stack)
cli.add_command(rotate_key)
cli.add_command(erase)


SOURCES_TEMPLATE = """\
# How this store's files map to Nightshift's feeds.
version: 1

store:
  name: my store
  timezone: Europe/London      # decides which business day an instant belongs to
  currency: GBP                # ISO 4217
  country: GB                  # ISO 3166
  prices_include_tax: false

# One entry a feed, as many as the store has: orders, order_lines, returns, customers, shipments, products,
# inventory, promotions, calendar, events. What depends on a feed that is not here is switched off.
#   uri     path below the landing folder, or s3://bucket/key; {ds} stands for the day of a daily drop, * for anything;
#           without {ds} it is bulk history, whose rows are split by the day of their own instant
#   format  csv, jsonl or parquet; .gz and .zst files are unpacked. A table: postgres, see README
#   select  contract column: SQL expression over the file's columns; leave it out when the names agree
#   where   which rows to take
#   ds      the day of a snapshot feed's bulk history
#   complete  when a delivery may be taken: stable_seconds, marker, declares; see README
feeds:
  orders:
    uri: orders/{ds}.csv.gz
    format: csv
    select:
      order_id: id
      customer_id: customer
      ordered_at: created_at
      status: case state when 'complete' then 'fulfilled' else state end
      currency: "'GBP'"
  order_lines:
    uri: order_lines/{ds}.csv.gz
    format: csv
"""


def main() -> None:
    """Run the command: 0 on success, 1 when the data or a check is at fault, 2 when called wrongly."""
    try:
        cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except UsageError as error:
        click.echo(f"nightshift: {error}", err=True)
        sys.exit(2)
    except NightshiftError as error:
        click.echo(f"nightshift: {error}", err=True)
        sys.exit(1)
    except OSError as error:
        click.echo(f"nightshift: {system_error(error)}", err=True)
        sys.exit(1)
