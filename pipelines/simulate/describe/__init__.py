"""A page about a simulated store for people to look at: what it sold, and what was planted in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb

from pipelines.errors import NightshiftError
from pipelines.simulate.describe import goods, headline, messages, page, sales
from pipelines.simulate.describe.findings import Findings, findings

# What makes a figure or a table of the page, and the truth tables it is made from.
Block = tuple[Callable[[Findings], str], tuple[str, ...]]

SECTIONS: tuple[tuple[str, tuple[Block, ...]], ...] = (
    (
        "Sales",
        (
            (sales.sales_by_day, ("sku_day",)),
            (sales.sales_by_department, ("sku_day", "sku")),
            (sales.sales_by_category, ("sku_day", "sku")),
            (sales.best_sellers, ("sku_day", "sku")),
        ),
    ),
    ("Intermittency of demand", ((sales.intermittency, ("sku_day",)),)),
    ("Funnel", ((sales.funnel, ("session",)),)),
    ("Returns", ((goods.returns_by_department, ("line", "sku")), (goods.return_reasons, ("line",)))),
    ("Stock", ((goods.units_on_hand, ("sku_day",)), (goods.shortage, ("sku_day",)))),
    (
        "Cart messages",
        (
            (messages.conversion, ("cart",)),
            (messages.message_effect, ("cart",)),
            (messages.experiment_table, ("cart",)),
        ),
    ),
)


def describe(landing: Path, truth: Path, target: Path) -> Path:
    """Write the page to `target` and return it; the same store gives the same bytes.

    A section whose truth tables are not there is replaced by a sentence that says so. Titles and prices are
    those of the newest drop of products in `landing`.

    Raises `NightshiftError` when the truth cannot be read.
    """
    try:
        with findings(landing, truth) as found:
            text = _page(found)
    except duckdb.Error as error:
        raise NightshiftError(f"{truth} cannot be described: {str(error).splitlines()[0]}") from error
    beside = target.with_name(target.name + ".part")
    beside.write_text(text, encoding="utf-8")
    beside.replace(target)
    return target


def _page(found: Findings) -> str:
    return page.page(
        "The simulated store",
        headline.lead(found),
        [page.key_figures(headline.key_figures(found)), *(_section(found, *section) for section in SECTIONS)],
    )


def _section(found: Findings, heading: str, blocks: tuple[Block, ...]) -> str:
    lacking = [tuple(found.missing(*tables)) for _, tables in blocks]
    shown = [block(found) for (block, _), missing in zip(blocks, lacking, strict=True) if not missing]
    return page.section(heading, [page.absent(tables) for tables in dict.fromkeys(lacking) if tables], shown)
