"""The pages for readers of the exports, docs/exports/<table>.md: what the contract says is written by `make contracts`.

Between the two marks of a page stand key and columns, derived from the contract; all else is written by hand. A table
without a page gets one that is whole: its model's own words, and examples that run.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.errors import NightshiftError
from pipelines.export_contract import Contract

BEGIN, END = "<!-- written by make contracts -->", "<!-- up to here -->"


def written(page: str | None, contract: Contract, not_compared: Sequence[str], meaning: str) -> str:
    """The page with what its contract says now; `meaning` begins a page that is new.

    Raises `NightshiftError` for a page without the two marks.
    """
    page = page or _new(contract, meaning)
    before, begin, rest = page.partition(f"{BEGIN}\n")
    _, end, after = rest.partition(f"{END}\n")
    if not (begin and end):
        raise NightshiftError(f"docs/exports/{contract.table}.md: put {BEGIN} and {END} where its columns belong")
    return f"{before}{BEGIN}\n{_derived(contract, not_compared)}{END}\n{after}"


def _derived(contract: Contract, not_compared: Sequence[str]) -> str:
    name = f"{contract.table}_v{contract.version}"
    lines = [
        f"Files lie in `exports/{contract.table}/v{contract.version}/`, rows in the table `nightshift.{name}`.",
        f"The key is {_listed(contract.key)}, in the database {_listed(contract.row_key)}.",
        f"A change of {_listed(not_compared)} alone makes no changed row.",
        "",
        "| column | type | null | meaning |",
        "|---|---|---|---|",
    ]
    for column in contract.columns:
        meaning = " ".join(column.meaning.split()).replace("|", "\\|")
        lines.append(f"| `{column.name}` | {column.type} | {'yes' if column.is_nullable else ''} | {meaning} |")
    return "\n".join(lines) + "\n"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _new(contract: Contract, meaning: str) -> str:
    name, folder = f"{contract.table}_v{contract.version}", f"{contract.table}/v{contract.version}"
    return f"""# {contract.table}

{meaning.strip()}

When it arrives, how to poll and what a delta tells is the same for all tables: [exports.md](../exports.md).

{BEGIN}
{END}

## In Python

With `newest` and `is_stale` of [exports.md](../exports.md):

```python
from pathlib import Path

import pandas as pd

manifest, rows = newest(Path("var/exports/{folder}"))
if is_stale(manifest):
    raise SystemExit("the night is late")
rows_by_method = pd.read_parquet(rows).groupby("method").size()
```

## In SQL

```sql
select method, count(*) as row_count
from nightshift.{name}
group by method
order by row_count desc;
```
"""
