"""dbt's page of the project for analysts: tables, columns, meaning, lineage, tests, in one file without a network.

It is drawn again only when it would show something else, since that costs seconds: the project or the tables changed.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from importlib.metadata import version

from pipelines import ledger
from pipelines.home import Home, move_durably
from pipelines.warehouse import PROJECT, Warehouse, project_files

Log = Callable[[str], None]
# The page reports to dbt's makers when a site allows it. A browser keeps to this policy whatever the page says: nothing
# is fetched from anywhere, nothing sent.
_POLICY = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; font-src data:"
_OFFLINE = f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}; img-src data:">'
_HEAD = "<head>"
_HEAD_BYTES = 2_000


def publish(warehouse: Warehouse, models: Sequence[str], log: Log) -> None:
    """Swap in `published/dbt_docs/index.html`, unless the one there shows the same."""
    page = warehouse.home.published / "dbt_docs" / "index.html"
    mark = f'<meta name="nightshift-project" content="{_shown(warehouse)}">'
    if page.exists() and mark in page.read_bytes()[:_HEAD_BYTES].decode(errors="replace"):
        return
    drawn = warehouse.draw_docs(models)
    text = _without_paths(drawn.read_text(), warehouse.home)
    page.parent.mkdir(exist_ok=True)
    beside = page.with_name(f".{page.name}.tmp")
    beside.write_text(text.replace(_HEAD, f"{_HEAD}{_OFFLINE}{mark}", 1))
    move_durably(beside, page)
    shutil.rmtree(drawn.parent)
    log(f"dbt docs: {page}")


def _shown(warehouse: Warehouse) -> str:
    """Stands for all that the page shows."""
    with warehouse.reading() as connection:
        tables = connection.execute(
            "select schema_name, table_name from duckdb_tables() where schema_name != 'touched' order by all"
        ).fetchall()
    return ledger.fingerprint([project_files(), tables, version("dbt-core"), version("dbt-duckdb"), _OFFLINE])[:16]


def _without_paths(page: str, home: Home) -> str:
    """dbt names its own files by their whole path; the page says them from the folder of the project or the home."""
    for folder in (home.root, PROJECT):
        written = json.dumps(str(folder))[1:-1]
        page = page.replace(f"{written}/", "").replace(written, folder.name)
    return page
