"""What models read: the feature tables of one snapshot, and nothing else."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from pipelines import ledger
from pipelines.errors import NightshiftError
from pipelines.home import Home
from pipelines.settings import Settings

if TYPE_CHECKING:
    from models.demand.panel import Panel


def demand_panel(settings: Settings, as_of: date, snapshot: str) -> Panel:
    """`feat_sku_day` of a snapshot; raises `NightshiftError` unless it holds a gap-free history up to `as_of`."""
    import pandas as pd

    from models.demand.panel import COLUMNS, Panel

    path = Home(settings.home).snapshots / snapshot / "feat_sku_day.parquet"
    # A flipped bit in Parquet reads as another number, without an error.
    if not path.exists() or ledger.folder_fingerprint(path.parent) != snapshot:
        raise NightshiftError(
            f"snapshot {snapshot} is missing or damaged; make it with: nightshift build --as-of {as_of}"
        )
    try:
        # Arrow types turn DECIMAL into float64 in one step; the default would make a Python object of each cell.
        frame = pd.read_parquet(path, columns=list(COLUMNS), dtype_backend="pyarrow")
        panel = Panel.from_frame(frame)
    except ValueError as error:
        raise NightshiftError(f"snapshot {snapshot}: {error}; build it again") from error
    if frame.empty:
        raise NightshiftError(f"snapshot {snapshot} holds no sales history; load orders, order_lines and products")
    last = panel.frame["sold_on"].max()
    if pd.Timestamp(last).date() != as_of:
        raise NightshiftError(f"snapshot {snapshot} ends on {last:%Y-%m-%d}, not on {as_of}; build that day first")
    return panel
