"""A mapping that cannot work is refused before anything is read, in one line that names the place."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError
from shop import Shop

from pipelines.errors import UsageError
from pipelines.settings import Settings
from pipelines.sources import Sources, load_sources, mapping_problems

STORE = "version: 1\nstore: {name: s, timezone: Europe/London, currency: GBP, country: GB}\n"


def _write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "sources.yml"
    path.write_text(text)
    return path


def _postgres(**changed: str | None) -> str:
    entry = {"format": "postgres", "connection": "shop", "table": "public.c", "updated_at": "t"} | changed
    inner = ", ".join(f"{name}: '{value}'" for name, value in entry.items() if value is not None)
    return STORE + "feeds: {customers: {" + inner + "}}"


def _complete(rule: str, uri: str = "c/{ds}.csv") -> str:
    return STORE + f"feeds: {{customers: {{uri: '{uri}', format: csv, complete: {rule}}}}}"


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
        (STORE + "feeds: {customers: {format: csv}}", "feeds.customers.uri: state where the files lie"),
        (
            STORE + "feeds: {customers: {uri: 'ftp://h/c.csv', format: csv}}",
            "feeds.customers.uri: a uri is a path below",
        ),
        (
            STORE + "feeds: {customers: {uri: 's3://shop-*/c.csv', format: csv}}",
            "feeds.customers.uri: an object is s3://",
        ),
        (
            STORE + "feeds: {customers: {uri: 's3://AKIA:pw@shop/c', format: csv}}",
            "feeds.customers.uri: an object is s3://",
        ),
        (
            STORE + "feeds: {customers: {uri: 's3://shop/', format: csv}}",
            "feeds.customers.uri: an object is s3://bucket/key",
        ),
        (
            STORE + "feeds: {customers: {uri: 's3://shop/a//c.csv', format: csv}}",
            "feeds.customers.uri: an object is s3://",
        ),
        (
            STORE + "feeds: {customers: {uri: 's3://shop/a/../c.csv', format: csv}}",
            "feeds.customers.uri: a uri is a path",
        ),
        (
            STORE + "feeds: {customers: {uri: 's3://shop/[ab].csv', format: csv}}",
            "feeds.customers.uri: an object is s3://",
        ),
        (
            STORE + "feeds: {customers: {uri: c.csv, format: csv, table: a.b}}",
            "feeds.customers.table: only format: postgres has it",
        ),
        (_postgres(uri="postgres://u:secret@h/d"), "its secret is the setting NIGHTSHIFT_CONNECTION_<NAME>"),
        (_postgres(uri="c.csv"), "feeds.customers.uri: format: postgres has none"),
        (_postgres(ds="2024-07-01"), "feeds.customers.ds: format: postgres has none"),
        (
            _postgres(connection=None),
            "feeds.customers.connection: format: postgres needs connection, table and updated_at",
        ),
        (_postgres(table=None), "feeds.customers.table: format: postgres needs"),
        (_postgres(updated_at=None), "feeds.customers.updated_at: format: postgres needs"),
        (_postgres(connection="postgres://u:secret@h/d"), "feeds.customers.connection: string should match"),
        (_postgres(table="c"), "feeds.customers.table: write it as schema.table"),
        (_postgres(table="d.public.c"), "feeds.customers.table: write it as schema.table"),
        (_postgres().replace("customers", "products"), "feeds.products.format: a snapshot feed lists all it knows"),
        (_complete("{}"), "feeds.customers.complete: state stable_seconds, a marker or both"),
        (_complete("{stable_seconds: 0}"), "feeds.customers.complete.stable_seconds: input should be greater than 0"),
        (_complete("{stable_seconds: .inf}"), "feeds.customers.complete.stable_seconds: input should be a finite"),
        (_complete("{stable_seconds: 'a minute'}"), "feeds.customers.complete.stable_seconds: input should be a valid"),
        (_complete("{stable_seconds: true}"), "feeds.customers.complete.stable_seconds: input should be a valid"),
        (
            _complete("{stable_seconds: 60, declares: rows}"),
            "feeds.customers.complete: declares says what a marker holds",
        ),
        (
            _complete("{marker: 'c/{ds}.done', declares: md5}"),
            "feeds.customers.complete.declares: input should be 'rows'",
        ),
        (_complete("{marker: '../{ds}.done'}"), "feeds.customers.complete.marker: a uri is a path below"),
        (_complete("{marker: 'c/{ds}*.done'}"), "feeds.customers.complete.marker: a delivery has one marker"),
        (_complete("{marker: c/done}"), "feeds.customers.complete.marker: {ds} stands in both uri and marker"),
        (
            _complete("{marker: '{ds}.done'}", "c.csv"),
            "feeds.customers.complete.marker: {ds} stands in both uri and marker",
        ),
        (_complete("{marker: 'c/{ds}.csv'}"), "feeds.customers.complete.marker: a delivery cannot be its own marker"),
        (_complete("{marker: 's3://shop/{ds}'}"), "feeds.customers.complete.marker: it lies where the files lie"),
        (
            _complete("{marker: 's3://shop/{ds}'}", "s3://shop-drops/{ds}.csv"),
            "feeds.customers.complete.marker: it lies in the bucket of the files",
        ),
        (_complete("{marker: 'c/{ds}.done', count: 1}"), "feeds.customers.complete.count: extra inputs"),
        (
            _postgres().replace("}}", ", complete: {stable_seconds: 1}}}"),
            "feeds.customers.complete: format: postgres has none",
        ),
        (
            STORE + "feeds: {products: {uri: p.csv, format: csv}}",
            "feeds.products: state the day of this snapshot",
        ),
        (
            STORE + "feeds: {customers: {uri: c.csv, format: csv, wher: x}}",
            "feeds.customers.wher: extra inputs",
        ),
        (
            STORE + "feeds:\n  customers: {uri: c.csv, format: csv}\n  customers: {uri: d.csv, format: csv}",
            "line 5, column 3: the key 'customers' stands here a second time, first in line 4",
        ),
        (_customers("country: a, country: b"), "the key 'country' stands here a second time"),
        (
            _customers("country: land, region: land.region").replace("csv", "jsonl"),
            "feeds.customers: land is read both whole and by its fields; for a field write land ->> '$.field'",
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
    assert "secret@" not in str(caught.value)
    assert "AKIA" not in str(caught.value)


@pytest.mark.parametrize(
    ("uri", "is_bulk"),
    [("s3://shop/x", True), ("s3://my.shop-1/a/**/{ds}/*.csv.gz", False), ("s3://shop/{ds}.csv", False)],
)
def test_objects_are_mapped_as_files_are(tmp_path: Path, uri: str, is_bulk: bool) -> None:
    text = STORE + f"feeds: {{customers: {{uri: '{uri}', format: csv}}}}"
    assert load_sources(_write(tmp_path, text)).feeds["customers"].is_bulk == is_bulk


def test_a_table_comes_in_daily(tmp_path: Path) -> None:
    source = load_sources(_write(tmp_path, _postgres())).feeds["customers"]
    assert (source.is_bulk, source.place) == (False, "shop/public.c")


def test_the_columns_a_mapping_needs_are_read_from_its_expressions(tmp_path: Path) -> None:
    text = _customers("country: 'upper(\"Land name\")', region: 'max(r) over (partition by id)'")
    source = load_sources(_write(tmp_path, text)).feeds["customers"]
    assert source.referenced_columns("customers") == ["id", "Land name", "r"]


@pytest.mark.parametrize(
    ("expression", "columns"),
    [
        ("list_filter(x, y -> y > 1)", ["x"]),
        ("list_filter(x, lambda y: y > floor)", ["x", "floor"]),
        ("list_reduce(x, (a, b) -> a + b + z)", ["x", "z"]),
        ("[y * 2 for y in x if y > 1]", ["x"]),
        # Outside of its lambda the same name is a column, and a path may start at a parameter.
        ("list_transform(x, Y -> y.price)[1] + y", ["x", "y"]),
        ("list_transform(x, y -> list_filter(y, z -> z > w))", ["x", "w"]),
        ("list_transform(x, y -> list_filter(z, w -> w > y))", ["x", "z"]),
        # An arrow that no function of lists is given takes a field out of JSON.
        ("j -> '$.a'", ["j"]),
        ("(j -> k)::VARCHAR", ["j", "k"]),
        ("concat(a, j -> k)", ["a", "j", "k"]),
    ],
)
def test_the_parameter_of_a_lambda_is_no_column(tmp_path: Path, expression: str, columns: list[str]) -> None:
    source = load_sources(_write(tmp_path, _customers(f'country: "{expression}"'))).feeds["customers"]
    assert source.referenced_columns("customers") == ["id", *columns]


def test_a_mapping_with_a_lambda_is_taken_in(shop: Shop) -> None:
    last = "list_filter(string_split(country, '|'), part -> part <> '')[-1]"
    shop.map(customers=f'{{uri: c.csv, format: csv, select: {{customer_id: id, created_at: t, country: "{last}"}}}}')
    shop.deliver("c.csv", "id,t,country\n1,2024-07-01,Europe|GB|\n")
    shop.ingest("customers")
    assert shop.raw("customers", "country") == [("GB",)]


def test_every_problem_of_a_mapping_is_known_not_only_the_first() -> None:
    with pytest.raises(ValidationError) as caught:
        Sources.model_validate(
            {
                "version": 1,
                "store": {"name": "s", "timezone": "Europe/London", "currency": "GBP", "country": "GB"},
                "feeds": {
                    "customers": {"uri": "c.csv", "format": "csv", "select": {"colour": "c", "country": "upper("}},
                    "orderz": {"uri": "o.csv", "format": "csv"},
                },
            }
        )
    places = [problem.partition(": ")[0] for problem in mapping_problems(caught.value)]
    assert places == [
        "feeds.customers.select.colour",
        "feeds.customers.select.country",
        "feeds.customers.select",
        "feeds.orderz",
    ]


def test_a_merged_mapping_may_be_changed(tmp_path: Path) -> None:
    text = STORE + "feeds:\n  customers: &c {uri: c.csv, format: csv}\n  shipments: {<<: *c, uri: s.csv}"
    assert load_sources(_write(tmp_path, text)).feeds["shipments"].uri == "s.csv"


def test_fields_of_json_objects_are_read_by_their_path(shop: Shop) -> None:
    select = (
        "{customer_id: customer.id, created_at: customer.since, country: customer.address.country, "
        "region: \"tags ->> '$[0].name'\", attributes: extra}"
    )
    shop.map(customers=f"{{uri: c.jsonl, format: jsonl, select: {select}}}")
    rows = [
        '{"customer": {"id": 1, "since": "2024-07-01", "address": {"country": "GB", "street": "secret"}}, '
        '"tags": [{"name": "north"}], "extra": {"b": [1, 2]}}',
        # An object that is absent, or is none, holds no value; the line is still one of JSON.
        '{"customer": {"id": 2, "since": "2024-07-01", "address": "nowhere"}}',
        '{"customer": 3}',
    ]
    shop.deliver("c.jsonl", "".join(f"{row}\n" for row in rows))
    shop.ingest("customers")
    assert shop.raw("customers", "customer_id, country, region, attributes") == [
        ("1", "GB", "north", '{"b":[1,2]}'),
        ("2", None, None, None),
    ]
    assert shop.quarantined("customers") == [(3, "missing_value", "customer_id")]
    assert "secret" not in str(shop.raw("customers"))


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("NIGHTSHIFT_HORIZONDAYS", "NIGHTSHIFT_HORIZON_DAYS"),
        ("NIGHTSHIFT_LANDINGS", "NIGHTSHIFT_LANDING"),
        ("nightshift_treads", "NIGHTSHIFT_THREADS"),
    ],
)
def test_a_mistyped_setting_is_named_with_the_nearest_one(
    monkeypatch: pytest.MonkeyPatch, variable: str, nearest: str
) -> None:
    monkeypatch.setenv(variable, "1")
    with pytest.raises(UsageError, match=f"setting {variable}: .*; the nearest is {nearest}$"):
        Settings.load()


def test_what_dbt_and_the_tests_are_told_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSHIFT_WAREHOUSE", "w.duckdb")
    monkeypatch.setenv("NIGHTSHIFT_TEST_DATA", "data")
    assert Settings.load().seed == 7
