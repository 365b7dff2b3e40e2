"""What a night says of money that no exchange rate converts."""

from __future__ import annotations

from pipelines.warehouse import PROJECT, Warehouse

RATES = PROJECT / "seeds" / "exchange_rates.csv"


def unconverted_money(warehouse: Warehouse) -> list[str]:
    """One line for each currency of which order lines have no rate: how many, how much, and since when."""
    with warehouse.reading() as connection:
        rows = connection.execute(
            "select currency, unconverted_line_count, unconverted_amount, first_unconverted_on, last_unconverted_on "
            "from marts.mart_currencies where unconverted_line_count > 0 order by currency"
        ).fetchall()
    return [
        f"no exchange rate: {lines:,} order lines of {first} to {last}, {amount:,} {currency} net, stand in their own "
        f"currency alone; name its rate in {warehouse.store.currency} in {RATES}"
        for currency, lines, amount, first, last in rows
    ]
