"""Every export has a page for readers, whose columns are those of the recorded contract; a new one is whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.errors import NightshiftError
from pipelines.export_contract import Contract, ExportColumn
from pipelines.export_pages import BEGIN, END, written
from pipelines.exports import EXPORTS, not_compared

DOCS = Path(__file__).parents[2] / "docs"
COLUMNS = (
    ExportColumn("as_of", "DATE", False, "The day."),
    ExportColumn("cart_id", "VARCHAR", False, "The cart."),
    ExportColumn("cart_value", "DECIMAL(18,2)", True, "What is\n in it | or was."),
)
CARTS = Contract("carts", 2, ("as_of", "cart_id"), COLUMNS)


@pytest.mark.parametrize("name", sorted(EXPORTS))
def test_the_page_of_a_table_is_what_its_contract_says(name: str) -> None:
    table, path = EXPORTS[name], DOCS / "exports" / f"{name}.md"
    assert path.exists(), "run: make contracts"
    contract = Contract.of_json_schema((DOCS / "contracts" / f"{name}_v{table.version}.json").read_bytes())
    page = path.read_text()
    assert written(page, contract, not_compared(table), "") == page, "run: make contracts"
    for column in contract.columns:
        assert f"| `{column.name}` | {column.type} |" in page
    assert f"(exports/{name}.md)" in (DOCS / "exports.md").read_text()


def test_only_what_lies_between_the_marks_is_written() -> None:
    page = f"# carts\n\nby hand\n\n{BEGIN}\n| `gone` | DATE |\n{END}\n\n## In SQL\n"
    assert written(page, CARTS, ["as_of", "run_id"], "not asked for") == (
        f"# carts\n\nby hand\n\n{BEGIN}\n"
        "Files lie in `exports/carts/v2/`, rows in the table `nightshift.carts_v2`.\n"
        "The key is `as_of`, `cart_id`, in the database `cart_id`.\n"
        "A change of `as_of`, `run_id` alone makes no changed row.\n\n"
        "| column | type | null | meaning |\n|---|---|---|---|\n"
        "| `as_of` | DATE |  | The day. |\n"
        "| `cart_id` | VARCHAR |  | The cart. |\n"
        "| `cart_value` | DECIMAL(18,2) | yes | What is in it \\| or was. |\n"
        f"{END}\n\n## In SQL\n"
    )


def test_a_page_without_its_marks_is_refused() -> None:
    with pytest.raises(NightshiftError, match=r"docs/exports/carts\.md: put <!-- written by make contracts --> and"):
        written("# carts\n", CARTS, [], "")


def test_a_new_table_gets_a_page() -> None:
    page = written(None, CARTS, ["as_of"], "One row is a cart that was left.\n")
    assert page.startswith("# carts\n\nOne row is a cart that was left.\n")
    assert "| `cart_value` | DECIMAL(18,2) | yes |" in page
    assert written(page, CARTS, ["as_of"], "") == page
