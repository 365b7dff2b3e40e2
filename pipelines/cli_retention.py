"""`nightshift prune`: what a home need not keep goes."""

from __future__ import annotations

import shutil

import click

from pipelines.cli_options import home_options
from pipelines.cli_steps import owner
from pipelines.free_space import megabytes
from pipelines.home import Home
from pipelines.settings import Settings


@click.command()
@click.option("--dry-run", "is_dry", is_flag=True, help="Only name what would go.")
@home_options
def prune(settings: Settings, is_dry: bool) -> None:
    """Remove nights, snapshots, models' files and logs beyond what the settings keep."""
    from pipelines import retention

    home, name = Home.open(settings.home), owner()
    try:
        rules = retention.rules(home, settings) if is_dry else retention.prune(home, settings, name)
    finally:
        home.release(name)
    for rule in rules:
        click.echo(f"{rule.folder}: {len(rule.going):,} go, {megabytes(rule.going_bytes)}; stays: {rule.stays}")
        if is_dry:
            for path in rule.going:
                click.echo(f"  {path.relative_to(home.root)}")
    click.echo(f"stays whole, since every night is made of it: {', '.join(retention.STAYS)}")
    total, free = sum(rule.going_bytes for rule in rules), shutil.disk_usage(home.root).free
    click.echo(f"{'would free' if is_dry else 'freed'} {megabytes(total)}; {megabytes(free)} are free")
