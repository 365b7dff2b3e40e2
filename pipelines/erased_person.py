"""What names a customer in raw/: found by the customer's id, kept as keyed hashes on the suppression list."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines import ledger, suppression
from pipelines.delivered_sql import literal, no_rows
from pipelines.feeds import FEEDS
from pipelines.home import Home, write_atomically
from pipelines.personal_data import PersonalDataKey
from pipelines.scratch import connected
from pipelines.settings import Settings
from pipelines.suppression import CUSTOMER, EMAIL, LINE, VISITOR

_EMAILS = """
    select distinct email from (
        select customer_id, email from customers union all select customer_id, email from orders
    ) where customer_id = $customer and email is not null
"""
# A guest's order under the customer's address is the customer's as well.
_LINES = f"""
    select distinct order_line_id from order_lines semi join (
        select order_id from orders
        where customer_id = $customer or (customer_id is null and email in ({_EMAILS}))
    ) using (order_id)
"""
_VISITORS = """
    select visitor_id
    from events semi join (select distinct visitor_id from events where customer_id = $customer) using (visitor_id)
    group by visitor_id having bool_and(customer_id is null or customer_id = $customer)
"""
# Kept in the list, not beside it, so that a rotation of the key takes it along.
_UNENDED = "is_unended"
_VALUES = {CUSTOMER: "select $customer", VISITOR: _VISITORS, LINE: _LINES, EMAIL: _EMAILS}


def suppress(home: Home, settings: Settings, key: PersonalDataKey, customer: str) -> tuple[str, bool]:
    """Put the customer on the suppression list, as one whose erasure is not ended.

    Returns the keyed hash of the id, the name that is left, and whether an earlier erasure of this customer broke off.
    What that one found is kept: by now it may be in raw/ no longer.
    """
    with connected(home, settings) as connection:
        key.prepare(connection)
        for feed in ("customers", "orders", "order_lines", "events"):
            connection.execute(f"create view {feed} as {_rows(home, feed)}")
        hashes = {}
        for kind, values in _VALUES.items():
            hashed = "value" if kind == EMAIL else suppression.hash_of(kind, "value")
            rows = connection.execute(
                f"select distinct {hashed} from ({values}) as found(value) order by 1", {"customer": customer}
            ).fetchall()
            hashes[kind] = {row[0] for row in rows}
    (name,) = hashes[CUSTOMER]
    path, known = _list_of(home, name)
    found = known.get("hashes", {})
    merged = {kind: sorted(hashes[kind] | set(found.get(kind, ()))) for kind in hashes}
    content = {"key_id": key.id, "hashes": merged, _UNENDED: True}
    if content != known:
        write_atomically(path, ledger.canonical_json(content))
    return str(name), is_unended(known)


def is_unended(content: Mapping[str, Any]) -> bool:
    """Whether the erasure of a list's customer is still to be ended."""
    return bool(content.get(_UNENDED, False))


def end(home: Home, customer_hash: str) -> None:
    """The erasure of this customer is ended; those of others that broke off stay open."""
    path, content = _list_of(home, customer_hash)
    write_atomically(path, ledger.canonical_json({name: content[name] for name in content if name != _UNENDED}))


def _list_of(home: Home, customer_hash: str) -> tuple[Path, dict[str, Any]]:
    lists = suppression.lists(home)
    for path, content in lists.items():
        if customer_hash in content["hashes"][CUSTOMER]:
            return path, content
    # Numbered, since a name made of the hash would outlive a rotation of the key.
    return home.suppressed / f"{max((int(path.stem) for path in lists), default=0) + 1}.json", {}


def _rows(home: Home, feed: str) -> str:
    if not any((home.raw / feed).glob("ds=*/data.parquet")):
        return no_rows(FEEDS[feed])
    glob = literal(str(home.raw / feed / "ds=*" / "data.parquet"))
    # Partitions of an earlier contract may lack columns, all of them the same one.
    held = f"from read_parquet({glob}, hive_partitioning=false, union_by_name=true)"
    return f"({no_rows(FEEDS[feed])}) union all by name {held}"
