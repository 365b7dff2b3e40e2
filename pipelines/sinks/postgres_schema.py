"""The PostgreSQL tables of the exports as SQL: one a table and major version, and the ledger of applied nights."""

from __future__ import annotations

from pipelines.delivered_sql import identifier, literal
from pipelines.export_contract import Contract, ExportColumn

SCHEMA = "nightshift"
LEDGER = "applied_nights"
_TYPES = {
    "BOOLEAN": "boolean",
    "SMALLINT": "smallint",
    "INTEGER": "integer",
    "BIGINT": "bigint",
    "DOUBLE": "double precision",
    "DECIMAL": "numeric",
    "VARCHAR": "text",
    "DATE": "date",
    "TIMESTAMP": "timestamp without time zone",
}


def table_name(contract: Contract) -> str:
    return f"{contract.table}_v{contract.version}"


def ddl(contract: Contract, schema: str = SCHEMA) -> str:
    """What makes the schema, the ledger and the export's table where they are absent."""
    statements = [f"create schema if not exists {identifier(schema)}", ledger_ddl(schema), table_ddl(contract, schema)]
    statements += comments(contract, schema)
    return ";\n\n".join(statements) + ";\n"


def table_ddl(contract: Contract, schema: str) -> str:
    columns = ",\n".join(f"    {column_ddl(column)}" for column in contract.columns)
    keys = ", ".join(map(identifier, contract.row_key))
    name = f"{identifier(schema)}.{identifier(table_name(contract))}"
    return f"create table if not exists {name} (\n{columns},\n    primary key ({keys})\n)"


def column_ddl(column: ExportColumn) -> str:
    kind, _, size = column.type.partition("(")
    postgres = f"{_TYPES[kind]}({size}" if size else _TYPES[kind]
    return f"{identifier(column.name)} {postgres}{'' if column.is_nullable else ' not null'}"


def comments(contract: Contract, schema: str) -> list[str]:
    name = f"{identifier(schema)}.{identifier(table_name(contract))}"
    return [
        f"comment on column {name}.{identifier(column.name)} is {literal(column.meaning)}"
        for column in contract.columns
        if column.meaning
    ]


def ledger_ddl(schema: str) -> str:
    """A row a night that was applied; of a table the row with the highest `sequence` is what its rows are now."""
    return f"""create table if not exists {identifier(schema)}.{identifier(LEDGER)} (
    table_name text not null,
    as_of date not null,
    content_sha256 text not null,
    sequence bigint generated always as identity,
    applied_at timestamptz not null default now(),
    run_id text,
    completeness text not null,
    valid_until timestamptz not null,
    row_count bigint not null,
    inserted bigint not null,
    updated bigint not null,
    deleted bigint not null,
    primary key (table_name, as_of, content_sha256)
)"""
