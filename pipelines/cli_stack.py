"""`nightshift stack`: what docker-compose.yml, or a server set up by hand, needs before it starts."""

from __future__ import annotations

from pathlib import Path

import click

from pipelines.cli_options import home_options
from pipelines.settings import Settings


@click.group()
def stack() -> None:
    """Prepare a team's server: its secrets, its databases."""


@stack.command()
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=".env",
    show_default=True,
    help="Where to write it; a file that is there is never replaced.",
)
@click.option("--timezone", required=True, help="The store's, as in sources.yml, such as Europe/London.")
def env(output: Path, timezone: str) -> None:
    """Write what docker-compose.yml reads, for the owner of the files alone: .env and, beside it, nightshift.env.

    The first has random passwords and keys, the second every setting of a night, commented out.
    """
    from pipelines.stack import write_env, write_settings

    names = write_env(output, timezone)
    click.echo(f"{output}: {', '.join(names)}")
    settings = output.with_name("nightshift.env")
    click.echo(f"{settings}: {'settings of the nights' if write_settings(settings) else 'is kept as it is'}")
    click.echo("next: docker compose up --build --detach; log in as admin with AIRFLOW_PASSWORD")


@stack.command()
@home_options
def databases(settings: Settings) -> None:
    """Make the databases of Airflow, MLflow and the exports, each with a user of its own."""
    from pipelines.stack import make_databases

    make_databases(settings, click.echo)
