"""`nightshift rotate-key` and `nightshift erase`: what is done about personal data after it was loaded."""

from __future__ import annotations

import os
from collections.abc import Iterator

import click

from pipelines import key_rotation
from pipelines.cli_options import home_options, log
from pipelines.erasure import Receipt
from pipelines.erasure import erase as erase_customer
from pipelines.errors import visible
from pipelines.home import COMMAND_OWNER
from pipelines.settings import Settings

# What remains is named up to so many; a customer of years is in hundreds of deliveries.
_NAMED = 10


@click.command()
@home_options
def rotate_key(settings: Settings) -> None:
    """Add a secret to the key of the personal-data hash, and hash with it what is loaded."""
    rotation = key_rotation.rotate_key(settings, f"{COMMAND_OWNER} {os.getpid()}", log)
    click.echo(
        f"key: id {rotation.key_id}, {rotation.secrets} secrets; {rotation.partitions:,} partitions hashed again"
    )
    click.echo("back up the key now, and destroy old copies of raw/: they lie under the old key")


@click.command()
@click.option("--customer", required=True, help="The store's own customer_id.")
@click.option("--remove-landing", is_flag=True, help="Delete the landing files that name the customer, too.")
@home_options
def erase(settings: Settings, customer: str, remove_landing: bool) -> None:
    """Erase a customer from the home, keep it out of later loads, and write a receipt."""
    owner = f"{COMMAND_OWNER} {os.getpid()}"
    receipt, path = erase_customer(settings, customer, owner, remove_landing, log)
    for line in _summary(receipt):
        click.echo(visible(line))
    click.echo(f"receipt: {path}")


def _summary(receipt: Receipt) -> Iterator[str]:
    yield f"erased: the customer whose keyed hash begins with {receipt.customer[:12]}"
    for feed, counts in receipt.raw.items():
        yield f"raw {feed}: {', '.join(f'{name} {count:,}' for name, count in counts.items())}"
    if not receipt.raw:
        yield "raw: no row names the customer" + (", since an attempt that broke off" if receipt.is_resumed else "")
    yield f"quarantine: texts erased {receipt.quarantine_rows:,}; spool: rows {sum(receipt.spool_rows.values()):,}"
    tables, exports = sum(receipt.tables.values()), sum(receipt.exports.values())
    removed = len(receipt.snapshots_removed)
    yield f"predictions and decisions: rows {tables:,}; exports: rows {exports:,}; snapshots removed {removed:,}"
    if receipt.rebuilt:
        days = ", ".join(receipt.rebuilt)
        yield f"warehouse: built from nothing for {days}; published {receipt.published or 'nothing'}"
    for name, what in receipt.sinks.items():
        yield f"{name}: {what}"
    for name in receipt.landing_removed:
        yield f"landing: removed {name}"
    if receipt.no_longer_reproducible:
        yield f"no longer reproducible, named in the receipt: {len(receipt.no_longer_reproducible):,}"
    for why in dict.fromkeys(receipt.remains.values()):
        names = [name for name, reason in receipt.remains.items() if reason == why]
        yield from (f"STILL THERE: {name}: {why}" for name in names[:_NAMED])
        if len(names) > _NAMED:
            yield f"STILL THERE: {len(names) - _NAMED:,} more, named in the receipt: {why}"
