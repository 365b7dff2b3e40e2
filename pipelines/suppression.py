"""Who was erased: keyed hashes kept in the home, and the rule that every load applies.

Not loaded are the row of such a customer and the clicks of the customer and of visitors that were seen with no other
one. Orders, lines, returns and shipments stay, since the books must balance, but without customer, e-mail and free
text; another account under the same address loses the address. A refused row stays refused and loses its text.

The list knows what was known when the person was erased. Of a visitor id that is first seen later only those clicks
that name the customer are left out, and the reason of a return is masked, not emptied, where its line came later.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from pipelines.delivered_sql import identifier, literal, no_rows
from pipelines.feeds import Feed
from pipelines.home import Home

ERASED = "[erased]"
# What a list names a person by. E-mail addresses are in raw/ as hashes already; the others are hashed with their kind.
EMAIL, CUSTOMER, VISITOR, LINE = "email", "customer_id", "visitor_id", "order_line_id"
KINDS = (CUSTOMER, VISITOR, LINE, EMAIL)
Suppressed = Mapping[str, frozenset[str]]
_WORD = r"""[^\s"',;:|{}\[\]()<>=\\]+"""


def lists(home: Home) -> dict[Path, dict[str, Any]]:
    """One file an erased customer: the id of the key, hashes by kind, and whether the erasure is still to be ended."""
    return {path: json.loads(path.read_bytes()) for path in sorted(home.suppressed.glob("*.json"))}


def read(home: Home) -> Suppressed:
    """All hashes by kind; empty when nobody was erased."""
    return _together(content["hashes"] for content in lists(home).values())


def read_one(home: Home, customer_hash: str) -> Suppressed:
    """The hashes by kind of the customer with this keyed hash, and of nobody else."""
    hashes = (content["hashes"] for content in lists(home).values())
    return _together(own for own in hashes if customer_hash in own[CUSTOMER])


def _together(lists: Iterable[Mapping[str, Sequence[str]]]) -> Suppressed:
    found: dict[str, set[str]] = {}
    for by_kind in lists:
        for kind, hashes in by_kind.items():
            found.setdefault(kind, set()).update(hashes)
    return {kind: frozenset(hashes) for kind, hashes in found.items()}


def hash_of(kind: str, value: str) -> str:
    """The SQL expression for the hash of the SQL expression `value`; needs `PersonalDataKey.prepare`."""
    return f"keyed_hash(lower({value}))" if kind == EMAIL else f"keyed_hash({literal(f'{kind} ')} || {value})"


def define(connection: duckdb.DuckDBPyConnection, suppressed: Suppressed) -> None:
    """Make the table `suppressed` (kind, hash), which the SQL of this module reads beside `keyed_hash`."""
    connection.execute("create or replace temp table suppressed (kind VARCHAR, hash VARCHAR)")
    for kind, hashes in suppressed.items():
        connection.execute(
            "insert into suppressed select $kind, unnest($hashes)", {"kind": kind, "hashes": sorted(hashes)}
        )


def named_rows(texts: str) -> str:
    """A query for the `row` of those of `texts` (a query for row and text) with a word that is a suppressed id or
    address."""
    tests = " or ".join(f"{hash_of(kind, 'word')} in ({_hashes(kind)})" for kind in KINDS)
    words = f"select row, unnest(regexp_extract_all(text, {literal(_WORD)})) as word from ({texts})"
    return f"select distinct row from ({words}) where {tests}"


def apply(connection: duckdb.DuckDBPyConnection, feed: Feed, suppressed: Suppressed) -> None:
    """Apply the rule to the table `checked`; `erased_rows` then has the rows that name a person, and the effect.

    An effect is removed (the row is excluded), stripped (it stays without the person) or masked (a refused row).
    """
    connection.execute("create or replace temp table erased_rows (row BIGINT, effect VARCHAR)")
    stripped = personal_columns(feed)
    if not suppressed or not stripped:
        return
    _find_values(connection, feed, suppressed, "checked")
    _mark(connection, feed)
    changes = {
        "removed": "refusal = coalesce(refusal, 'excluded'), raw_text = NULL",
        "masked": f"raw_text = {literal(ERASED)}",
        "stripped": ", ".join(f"{identifier(name)} = {_kept(feed, name)}" for name in stripped),
    }
    for effect, change in changes.items():
        connection.execute(
            f"update checked set {change} where rowid in (select row from erased_rows where effect = '{effect}')"
        )


def named_files(connection: duckdb.DuckDBPyConnection, feed: Feed, suppressed: Suppressed, glob: Path) -> list[Path]:
    """Of Parquet files of the feed's rows those that the rule would change."""
    files = f"from read_parquet({literal(str(glob))}, hive_partitioning=false, filename=true, union_by_name=true)"
    # Partitions of an earlier contract may lack columns, all of them the same one.
    read = f"(from ({no_rows(feed)}) union all by name {files})"
    _find_values(connection, feed, suppressed, read)
    rows = connection.execute(f"select distinct filename from {read} where {_is_named(feed)} order by 1").fetchall()
    return [Path(row[0]) for row in rows]


def goes_with_the_person(feed: Feed) -> bool:
    """Whether rows of the feed are removed, and not only what names the person in them."""
    return feed.key == (CUSTOMER,) or VISITOR in feed.column_names


def names_people(feed: Feed) -> bool:
    """Whether rows of the feed name a person, or an order line of one."""
    return bool(_kinds(feed))


def personal_columns(feed: Feed) -> list[str]:
    """The columns of a row that stays which are emptied: who it was, and free text."""
    kinds = _kinds(feed)
    return [
        column.name
        for column in feed.columns
        if kinds and (column.name in (CUSTOMER, EMAIL) or column.is_personal or column.is_free_text)
    ]


def _kinds(feed: Feed) -> list[str]:
    return [kind for kind in KINDS if kind in feed.column_names]


def _find_values(connection: duckdb.DuckDBPyConnection, feed: Feed, suppressed: Suppressed, relation: str) -> None:
    """Fill `erased` (kind, value) with the suppressed ids and hashes that a relation has; each is hashed once."""
    define(connection, suppressed)
    connection.execute("create or replace temp table erased (kind VARCHAR, value VARCHAR)")
    for kind in _kinds(feed):
        # An address is in its column as a hash already.
        hashed = "value" if kind == EMAIL else hash_of(kind, "value")
        connection.execute(
            f"insert into erased select '{kind}', value "
            f"from (select distinct {identifier(kind)} as value from {relation}) where {hashed} in ({_hashes(kind)})"
        )


def _mark(connection: duckdb.DuckDBPyConnection, feed: Feed) -> None:
    is_refused = "refusal is not null and refusal not in ('duplicate', 'excluded')"
    refused = f"select rowid as row, raw_text as text from checked where {is_refused}"
    goes = f"({_is_who(feed)})" if goes_with_the_person(feed) else "false"
    connection.execute(
        f"""
        insert into erased_rows
        select rowid, case when {is_refused} then 'masked' when {goes} then 'removed' else 'stripped' end
        from checked where {_is_named(feed)}
        union select row, 'masked' from ({named_rows(refused)})
        """
    )


def _is_named(feed: Feed) -> str:
    """Whether the row is the person's, or has something left to strip under the person's address or order line."""
    columns = ", ".join(f"{identifier(name)}::VARCHAR" for name in personal_columns(feed))
    is_left = f"coalesce({columns}, NULL) is not null"
    return f"({_is_who(feed)} or (({_among(feed, EMAIL)} or {_among(feed, LINE)}) and {is_left}))"


def _is_who(feed: Feed) -> str:
    if VISITOR not in feed.column_names:
        return _among(feed, CUSTOMER)
    # A visitor id may later be shared: what names another customer is that customer's.
    return f"({_among(feed, CUSTOMER)} or ({_among(feed, VISITOR)} and customer_id is null))"


def _kept(feed: Feed, name: str) -> str:
    """What a column of a stripped row keeps: of another customer's row with the same address all but the address."""
    own = EMAIL if name == EMAIL else CUSTOMER
    gone = [_among(feed, kind) for kind in dict.fromkeys((own, CUSTOMER, LINE))]
    return f"case when {' or '.join(gone)} then NULL else {identifier(name)} end"


def _among(feed: Feed, kind: str) -> str:
    if kind not in feed.column_names:
        return "false"
    return f"coalesce({identifier(kind)} in (select value from erased where kind = '{kind}'), false)"


def _hashes(kind: str) -> str:
    return f"select hash from suppressed where kind = '{kind}'"
