"""What came back, and what lay on the shelf."""

from __future__ import annotations

from pipelines.simulate.describe import figures, findings, page
from pipelines.simulate.describe.figures import Line
from pipelines.simulate.describe.findings import Findings
from pipelines.simulate.describe.page import Column, count, percent

MOST_DEPARTMENTS, MOST_REASONS = 12, 8


def returns_by_department(found: Findings) -> str:
    departments, causes = findings.return_shares(found, MOST_DEPARTMENTS, MOST_REASONS)
    totals = [sum(shares) for shares in zip(*causes.values(), strict=True)] if causes else [0.0] * len(departments)
    return page.figure(
        "Returned share of lines, by department and cause",
        figures.bars("returns", departments, list(causes.items()), [percent(total) for total in totals], is_share=True),
        "Of the lines that were not cancelled. Causes act independently and the first one speaks: "
        "`ReturnParameters.fit` (only of what is worn), `quality`, `changed_mind`, `arrived_late`.",
    )


def return_reasons(found: Findings) -> str:
    lines, planted = found.row("select count(*), avg(true_return_probability) from line where not is_cancelled")
    rows = found.rows(
        f"""
        select return_reason, count(*), sum(returned_quantity) from line where is_returned and not is_cancelled
        group by 1 order by 2 desc, 1 limit {MOST_REASONS}
        """
    )
    returned, units = found.row(
        "select count(*), coalesce(sum(returned_quantity), 0) from line where is_returned and not is_cancelled"
    )
    return page.table(
        "Return reasons",
        (Column("reason", False), Column("lines"), Column("of returns"), Column("of lines"), Column("units")),
        [
            (reason, count(number), percent(number / max(1, part)), percent(number / max(1, lines)), count(back))
            for reason, number, back, part in (
                *((row[0] or "none given", row[1], row[2], returned) for row in rows),
                ("all", returned, units, returned),
            )
        ],
        f"The mean planted chance of a return (`true_return_probability`) is {percent(planted)} of the lines that were "
        "not cancelled: what came back should be close to it.",
    )


def units_on_hand(found: Findings) -> str:
    return page.figure(
        "Units on hand at close",
        figures.lines("units_on_hand", [Line("units", [(day.on, day.on_hand) for day in findings.daily(found)])]),
        "All SKUs together: the reorder point has a margin of `StockParameters.safety_factor`, orders go up to it plus "
        "`cover_days` days of sales.",
    )


def shortage(found: Findings) -> str:
    days = findings.daily(found)
    plot = figures.lines(
        "shortage",
        [
            Line("SKUs out of stock at close", [(day.on, day.out_share) for day in days]),
            Line("demand lost, mean over seven days", [(day.on, day.lost_share_week) for day in days]),
        ],
        is_share=True,
    )
    return page.figure(
        "Out of stock, and what it cost",
        plot,
        "Share of the listed SKUs whose shelf is empty at close, and of the units wanted that were not sold: a small "
        "`StockParameters.safety_factor` and late suppliers (`late_share`, `late_days`) make both.",
    )
