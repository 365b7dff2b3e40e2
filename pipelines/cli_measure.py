"""The command that proves what an export has brought."""

from __future__ import annotations

from datetime import date
from functools import partial

import click

from pipelines import nights
from pipelines.cli_options import as_of_option, home_options
from pipelines.cli_steps import step
from pipelines.measurement import SOURCES
from pipelines.settings import Settings


@click.command()
@click.argument("export", type=click.Choice(("cart_recovery",)))
@click.option(
    "--drawn-by",
    type=click.Choice(tuple(SOURCES)),
    help="Whose draw: the export's or the e-mail tool's own [default: the export's where it has drawn any].",
)
@as_of_option
@home_options
def measure(settings: Settings, export: str, drawn_by: str | None, as_of: date | None) -> None:
    """Compare carts drawn for a message with those held out: conversion, revenue and margin, with intervals."""
    for line in step(settings, as_of, partial(nights.measure, drawn_by=drawn_by)):
        click.echo(line)
