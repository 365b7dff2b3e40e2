"""The days of the store and its key figures."""

from __future__ import annotations

from pipelines.simulate.describe.findings import Findings
from pipelines.simulate.describe.page import count, percent

KeyFigure = tuple[str, str, str]


def lead(found: Findings) -> str:
    """The days that the store has lived."""
    if found.missing("sku_day"):
        return "Everything here is read from the store's truth, which the pipeline never sees."
    first, last, days = found.row("select min(sold_on), max(sold_on), count(distinct sold_on) from sku_day")
    lived = "1 day" if days == 1 else f"{count(days)} days"
    return (
        f"{first} to {last}, {lived}. Everything here is read from the store's truth, which the pipeline never sees; "
        "`parameters.py` holds the numbers it grew from."
    )


def key_figures(found: Findings) -> list[KeyFigure]:
    return [
        *([] if found.missing("sku") else _of_catalog(found)),
        *([] if found.missing("line") else _of_lines(found)),
        *([] if found.missing("sku_day") else _of_days(found)),
    ]


def _of_catalog(found: Findings) -> list[KeyFigure]:
    (skus,) = found.row("select count(*) from sku")
    return [(count(skus), "SKUs", "All that the store ever sells, launched or not (`CatalogParameters.skus`).")]


def _of_lines(found: Findings) -> list[KeyFigure]:
    lines, kept, units, returned = found.row(
        """
        select count(*), count(*) filter (not is_cancelled),
            coalesce(sum(quantity - cancelled_quantity) filter (not is_cancelled), 0),
            count(*) filter (is_returned and not is_cancelled)
        from line
        """
    )
    return [
        (count(lines), "order lines", "All that were placed (`DemandParameters.base_mean`)."),
        (count(units), "units", "Net of cancellations (`OrderParameters.cancel_share`, `line_cancel_share`)."),
        (
            percent(returned / kept if kept else None),
            "return rate",
            "Of the lines that were not cancelled, also when they come back after the last day (`ReturnParameters`).",
        ),
    ]


def _of_days(found: Findings) -> list[KeyFigure]:
    out, lost, on_hand = found.row(
        """
        select avg((not is_in_stock)::int), sum(true_lost_units) / nullif(sum(true_demand_units), 0),
            coalesce(sum(closing_units) filter (sold_on = (select max(sold_on) from sku_day)), 0)
        from sku_day
        """
    )
    return [
        (count(on_hand), "units on hand", "At the close of the last day (`StockParameters.cover_days`)."),
        (percent(out), "of SKU-days out of stock", "At the close of the day (`StockParameters.safety_factor`)."),
        (
            percent(lost),
            "of demand lost",
            "Units wanted from an empty shelf, of all units wanted (`StockParameters.late_share`).",
        ),
    ]
