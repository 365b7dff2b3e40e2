"""The SQL expressions of a mapping: checked before anything is read, and the file's columns they need."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import duckdb

# They see more than the row, or make several rows of one.
_REFUSED_FUNCTIONS = {"current_setting", "getenv", "getvariable", "query", "query_table", "unnest"}
# Elsewhere `a -> b` takes a field out of JSON, and both sides are columns or values of the row.
_LAMBDA_FUNCTIONS = {
    *("apply", "array_apply", "list_apply", "array_transform", "list_transform"),
    *("filter", "array_filter", "list_filter"),
    *("reduce", "array_reduce", "list_reduce"),
}

ColumnPath = tuple[str, ...]


def parse_expression(where: str, expression: str) -> Any:
    """The expression's syntax tree. Raises `ValueError` naming `where` unless it is one expression over a row."""
    statement = f"select ({expression}\n)"
    row = duckdb.execute("select json_serialize_sql($sql)", {"sql": statement}).fetchone()
    tree = json.loads(row[0]) if row else {}
    if tree.get("error"):
        raise ValueError(f"{where}: not a SQL expression: {' '.join(tree['error_message'].split())}")
    selected = [statement["node"].get("select_list", []) for statement in tree["statements"]]
    if [len(columns) for columns in selected] != [1] or any(_nodes(tree, "SUBQUERY")):
        raise ValueError(f"{where}: one expression over the file's own columns, without a subquery")
    for function in _nodes(tree, "FUNCTION"):
        if function["function_name"] in _REFUSED_FUNCTIONS:
            raise ValueError(f"{where}: {function['function_name']}() may not stand in a mapping")
    return tree


@lru_cache(maxsize=1024)
def column_paths(expression: str) -> tuple[ColumnPath, ...]:
    """The columns an expression reads, in order of first mention; `a.b.c` is the field c of b of column a."""
    return tuple(dict.fromkeys(_column_paths(parse_expression("expression", expression), frozenset())))


def column_structure(paths: Sequence[ColumnPath]) -> dict[str, Any]:
    """The columns as nested JSON objects whose leaves are text.

    Raises `ValueError` for an object that is read both whole and by its fields: it can have one type only.
    """
    structure: dict[str, Any] = {}
    for path in dict.fromkeys(paths):
        place = structure
        for name in path[:-1]:
            place = place.setdefault(name, {})
            if not isinstance(place, dict):
                raise ValueError(_read_twice(path))
        if place.setdefault(path[-1], "VARCHAR") != "VARCHAR":
            raise ValueError(_read_twice(path))
    return structure


def _read_twice(path: ColumnPath) -> str:
    return f"{path[0]} is read both whole and by its fields; for a field write {path[0]} ->> '$.field' instead"


def _nodes(tree: Any, kind: str) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        if tree.get("class") == kind:
            yield tree
        for child in tree.values():
            yield from _nodes(child, kind)
    elif isinstance(tree, list):
        for child in tree:
            yield from _nodes(child, kind)


def _column_paths(tree: Any, parameters: frozenset[str]) -> Iterator[ColumnPath]:
    if isinstance(tree, list):
        for child in tree:
            yield from _column_paths(child, parameters)
    elif isinstance(tree, dict):
        if tree.get("class") == "COLUMN_REF":
            names = tuple(tree["column_names"])
            if names[0].lower() not in parameters:
                yield names
        elif tree.get("function_name") in _LAMBDA_FUNCTIONS:
            yield from _lambda_paths(tree, parameters)
        else:
            for child in tree.values():
                yield from _column_paths(child, parameters)


def _lambda_paths(function: dict[str, Any], parameters: frozenset[str]) -> Iterator[ColumnPath]:
    """What a function over a list reads: its lambda's own parameters are no columns."""
    subject, *others = function["children"] or [None]
    yield from _column_paths(subject, parameters)
    for child in others:
        if child.get("class") == "LAMBDA":
            own = {node["column_names"][0].lower() for node in _nodes(child["lhs"], "COLUMN_REF")}
            yield from _column_paths(child["expr"], parameters | own)
        else:
            yield from _column_paths(child, parameters)
    rest = {name: child for name, child in function.items() if name != "children"}
    yield from _column_paths({**rest, "function_name": ""}, parameters)
