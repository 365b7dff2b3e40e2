"""`nightshift export`, `replay` and `explain`: what leaves for ops systems, again, and where it came from."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import click

from pipelines import export_delivery, night_exports
from pipelines.cli_options import Day, as_of_option, home_options, log
from pipelines.cli_steps import owner, step
from pipelines.errors import UsageError
from pipelines.home import Home
from pipelines.settings import Settings
from pipelines.uris import S3


@click.command()
@as_of_option
@click.option("--list", "is_listing", is_flag=True, help="Show the nights there are, by table and version, and where.")
@click.option(
    "--verify",
    "copy",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Check a copy of a night, or of a version's folder: bytes, columns, rows, keys. Needs no home.",
)
@home_options
def export(settings: Settings, as_of: date | None, is_listing: bool, copy: Path | None) -> None:
    """Write the contracted tables with their manifests, and take them to the database and the store that are set."""
    if copy is not None:
        from pipelines.export_verify import verify

        for night in verify(copy):
            click.echo(
                f"{night.table} v{night.version} as of {night.as_of}: right, {night.manifest['row_count']:,} rows"
            )
    elif is_listing:
        for line in _listed(settings):
            click.echo(line)
    else:
        for report in step(settings, as_of, night_exports.export):
            click.echo(f"{report.table}: {report.status}, {report.completeness}, {report.rows:,} rows, {report.path}")
        export_delivery.refuse_undelivered(Home.open(settings.home), settings)


@click.command()
@click.argument("table")
@click.option("--as-of", type=Day(), required=True, help="The business day of the night.")
@click.option("--version", type=click.IntRange(min=1), help="The major version [default: the newest that has it].")
@click.option("--to", "target", help="Copy its files, byte by byte, below this folder or s3://bucket/prefix.")
@click.option("--database", "is_database", is_flag=True, help="Make the database's table hold it, also an earlier one.")
@home_options
def replay(
    settings: Settings, table: str, as_of: date, version: int | None, target: str | None, is_database: bool
) -> None:
    """Deliver a past night of an export again."""
    from pipelines import replay as replaying

    if target is None and not is_database:
        raise UsageError("say where to: --to FOLDER, or --database")
    home, name = Home.open(settings.home), owner()
    try:
        with home.held(name, settings.lease_minutes, settings.lock_wait_seconds):
            night = replaying.find(home, table, as_of, version)
            if target is not None and target.startswith(S3):
                replaying.to_store(home, settings, night, target, log)
            elif target is not None:
                folder = replaying.to_folder(night, Path(target).absolute())
                click.echo(f"{table} v{night.version} as of {as_of}: {folder}")
            if is_database:
                replaying.to_database(home, settings, night, log)
    finally:
        home.release(name)


@click.command()
@click.argument("table")
@click.argument("key", nargs=-1, required=True)
@click.option("--as-of", type=Day(), help="The business day of the night [default: the newest exported].")
@click.option("--version", type=click.IntRange(min=1), help="The major version [default: the newest that has it].")
@home_options
def explain(settings: Settings, table: str, key: tuple[str, ...], as_of: date | None, version: int | None) -> None:
    """Where a number came from: KEY are the values of the row's key, without as_of, in its order."""
    from pipelines import explanation

    for line in explanation.explain(Home.open(settings.home), settings, table, key, as_of, version):
        click.echo(line)


def _listed(settings: Settings) -> Iterator[str]:
    from pipelines.export_night import nights as nights_of

    home, is_empty = Home.open(settings.home), True
    applied, stored = _applied(settings), _stored(settings)
    for night in nights_of(home):
        is_empty = False
        delta = night.manifest["delta"]
        place = applied.get((night.table, night.version, night.as_of, night.sha256), "")
        if (night.table, night.version, night.folder.name) in stored:
            place += f", in {settings.export_uri}"
        yield (
            f"{night.table} v{night.version} as of {night.as_of}: {night.manifest['completeness']}, "
            f"{night.manifest['row_count']:,} rows, {delta['inserted']:,} inserted, {delta['updated']:,} updated, "
            f"{delta['deleted']:,} deleted; in files{place}"
        )
    if is_empty:
        yield f"nothing is exported in {home.root} yet; run: nightshift run"


def _stored(settings: Settings) -> set[tuple[str, int, str]]:
    """The nights that the S3 store holds, if there is one."""
    if settings.export_uri is None:
        return set()
    from pipelines.sinks import s3

    return s3.stored_nights(settings, settings.export_uri)


def _applied(settings: Settings) -> dict[tuple[str, int, date, str], str]:
    """What the database says of the nights it was given, if there is one."""
    if settings.export_connection is None:
        return {}
    from pipelines.sinks import postgres

    return {
        night: f", in database {settings.export_connection}{' (what its table holds)' if is_newest else ''}"
        for night, is_newest in postgres.applied(settings).items()
    }
