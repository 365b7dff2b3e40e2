"""How the store sells: by day, department and category, which products, how seldom, and to which visits."""

from __future__ import annotations

from pipelines.simulate.describe import figures, findings, page
from pipelines.simulate.describe.figures import Line
from pipelines.simulate.describe.findings import Findings
from pipelines.simulate.describe.page import Column, count, percent
from pipelines.simulate.parameters import CURRENCY

MOST_DEPARTMENTS, MOST_CATEGORIES, BEST_SELLERS = 8, 15, 10
BINS = 20
STEPS = ("browsed", "viewed", "carted", "checked_out", "purchased")


def sales_by_day(found: Findings) -> str:
    days = findings.daily(found)
    series = [
        Line("a day", [(day.on, day.sold) for day in days], is_faint=True),
        Line("mean over seven days", [(day.on, day.sold_week) for day in days]),
    ]
    return page.figure(
        "Units sold by day",
        figures.lines("sales_by_day", series),
        "Units as ordered, cancellations included: the week, the season and the growth come from "
        "`DemandParameters.weekday`, `season_amplitude` and `yearly_growth`.",
    )


def sales_by_department(found: Findings) -> str:
    departments = findings.by_department(found, MOST_DEPARTMENTS)
    return page.figure(
        "Units sold a day, by department",
        figures.lines("sales_by_department", [Line(name, points) for name, points in departments.items()]),
        "Means over seven days: each department has its own season (`peak_day` in `vocabulary.py`, as strong as "
        "`DemandParameters.season_amplitude`).",
    )


def sales_by_category(found: Findings) -> str:
    rows = found.rows(
        f"""
        select coalesce(category, 'none'), sum(sold_units)::double from sku_day left join sku using (sku)
        group by all order by 2 desc, 1 limit {MOST_CATEGORIES}
        """
    )
    names, units = [row[0] for row in rows], [row[1] for row in rows]
    return page.figure(
        "Units sold by category",
        figures.bars("sales_by_category", names, [("units", units)], [count(value) for value in units]),
        f"The {len(rows)} categories that sell most; which they are is chance: styles are dealt to categories evenly, "
        "and a SKU's rate is log-normal (`DemandParameters.base_sigma`).",
    )


def best_sellers(found: Findings) -> str:
    rows = found.rows(
        f"""
        with best as (
            select sku, sum(sold_units) as units from sku_day group by sku order by 2 desc, 1 limit {BEST_SELLERS}
        )
        select title, sku, category, units, list_price
        from best left join sku using (sku) left join product using (sku) order by units desc, sku
        """
    )
    source = f"the drop of {found.products_ds}" if found.products_ds else "a drop, but none of products was delivered"
    return page.table(
        "Best sellers",
        (*(Column(name, False) for name in ("title", "SKU", "category")), Column("units"), Column("list price")),
        [
            (title or "-", sku, category or "-", count(units), f"{price:,.2f}" if price is not None else "-")
            for title, sku, category, units, price in rows
        ],
        f"The {len(rows)} SKUs with most units sold (`DemandParameters.base_sigma`); titles and list prices, in "
        f"{CURRENCY}, are read from {source}.",
    )


def intermittency(found: Findings) -> str:
    shares = "select sku, avg((sold_units > 0)::int) as share from sku_day group by sku"
    minority, overall = found.row(
        f"select avg((share < 0.5)::int), (select avg((sold_units > 0)::int) from sku_day) from ({shares})"
    )
    # Rounded first, since a share such as 0.15 times 20 may fall just short of 3.
    counted: dict[int, int] = dict(
        found.rows(
            f"select least(floor(round(share * {BINS}, 9)), {BINS - 1})::int, count(*) from ({shares}) group by 1"
        )
    )
    plot = figures.histogram(
        "intermittency",
        [bin / BINS for bin in range(BINS + 1)],
        [counted.get(bin, 0) for bin in range(BINS)],
        "share of days with a sale",
        "SKUs",
    )
    return page.figure(
        "SKUs by share of days with a sale",
        plot,
        f"{percent(minority)} of the SKUs sell on a minority of their days, and {percent(overall)} of all SKU-days "
        "have a sale: the long tail of `DemandParameters.base_sigma` around a low `base_mean`, with the extra variance "
        "of `dispersion`.",
    )


def funnel(found: Findings) -> str:
    counted: dict[str, int] = dict(found.rows("select state, count(*) from session where not is_bot group by state"))
    (bots,) = found.row("select avg(is_bot::int) from session")
    reached = [sum(counted.get(further, 0) for further in STEPS[at:]) for at in range(len(STEPS))]
    notes = [f"{count(sessions)} ({percent(sessions / max(1, reached[0]))})" for sessions in reached]
    return page.figure(
        "Sessions by the furthest step reached",
        figures.bars("funnel", [step.replace("_", " ") for step in STEPS], [("sessions", reached)], notes),
        f"Each bar counts who got at least so far (`VisitParameters.browsing`, `checkout_share`; what comes of "
        f"carts: `CartParameters`); bots, {percent(bots)} of all sessions, are left out.",
    )
