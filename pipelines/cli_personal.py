"""`nightshift rotate-key` and `nightshift erase`: what is done about personal data after it was loaded."""

from __future__ import annotations

import os

import click

from pipelines import key_rotation
from pipelines.cli_options import home_options, log
from pipelines.home import COMMAND_OWNER
from pipelines.settings import Settings


@click.command()
@home_options
def rotate_key(settings: Settings) -> None:
    """Add a secret to the key of the personal-data hash, and hash with it what is loaded."""
    rotation = key_rotation.rotate_key(settings, f"{COMMAND_OWNER} {os.getpid()}", log)
    click.echo(
        f"key: id {rotation.key_id}, {rotation.secrets} secrets; {rotation.partitions:,} partitions hashed again"
    )
    click.echo("back up the key now, and destroy old copies of raw/: they lie under the old key")
