"""A mapping that cannot work is refused before anything is read, in one line that names the place."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.errors import UsageError
from pipelines.sources import load_sources

STORE = "version: 1\nstore: {name: s, timezone: Europe/London, currency: GBP, country: GB}\n"


def _write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "sources.yml"
    path.write_text(text)
    return path


def _customers(select: str) -> str:
    return STORE + "feeds: {customers: {uri: c.csv, format: csv, select: {customer_id: id, " + select + "}}}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version: 1\nstore: [", "not readable as YAML"),
        (
            STORE.replace("Europe/London", "Europe/Lundon"),
            "store.timezone: 'Europe/Lundon' is no IANA time zone",
        ),
        (STORE.replace("GBP", "pounds"), "store.currency"),
        (
            STORE + "feeds: {orderz: {uri: a.csv, format: csv}}",
            "feeds.orderz: no such feed; there are orders, ",
        ),
        (_customers("colour: c"), "feeds.customers.select.colour: no such column; there are customer_id, "),
        (
            _customers("country: 'upper(c'"),
            "feeds.customers.select.country: not a SQL expression: syntax error",
        ),
        (
            _customers("country: (select 1)"),
            "feeds.customers.select.country: one expression over the file's own",
        ),
        (_customers("country: 'c); drop table x; select (1'"), "feeds.customers.select.country"),
        (_customers("country: unnest(c)"), "feeds.customers.select.country: unnest() may not stand in a mapping"),
        (
            _customers("country: \"getvariable('hmac_inner')::VARCHAR\""),
            "feeds.customers.select.country: getvariable() may not stand in a mapping",
        ),
        (_customers("country: 'c), (d'"), "feeds.customers.select.country: one expression over the file's own"),
        (STORE + "feeds: {customers: {uri: 'a**b.csv', format: csv}}", "feeds.customers.uri: a uri names files"),
        (
            STORE + "feeds: {customers: {uri: c.csv, format: csv, select: {country: c}}}",
            "feeds.customers.select: the required column customer_id is not mapped",
        ),
        (
            STORE + "feeds: {customers: {uri: ../c.csv, format: csv}}",
            "feeds.customers.uri: a uri is a path below",
        ),
        (
            STORE + "feeds: {customers: {uri: /etc/passwd, format: csv}}",
            "feeds.customers.uri: a uri is a path below",
        ),
        (STORE + "feeds: {customers: {uri: c.csv, format: excel}}", "feeds.customers.format"),
        (
            STORE + "feeds: {products: {uri: p.csv, format: csv}}",
            "feeds.products: state the day of this snapshot",
        ),
        (
            STORE + "feeds: {customers: {uri: c.csv, format: csv, wher: x}}",
            "feeds.customers.wher: extra inputs",
        ),
    ],
)
def test_a_wrong_mapping_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = _write(tmp_path, text if "feeds:" in text else text + "\nfeeds: {}")
    with pytest.raises(UsageError) as caught:
        load_sources(path)
    assert str(caught.value).startswith(str(path))
    assert message.lower() in str(caught.value).lower()
    assert "\n" not in str(caught.value)


def test_the_columns_a_mapping_needs_are_read_from_its_expressions(tmp_path: Path) -> None:
    text = _customers("country: 'upper(\"Land name\")', region: 'max(r) over (partition by id)'")
    source = load_sources(_write(tmp_path, text)).feeds["customers"]
    assert source.referenced_columns("customers") == ["id", "Land name", "r"]
