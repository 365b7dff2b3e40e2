"""Plots as inline SVG: equal data give equal bytes, and text from the data stays text."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

COLORS = ("#2f6690", "#d9863d", "#4f8a74", "#8a5a91", "#b34a45", "#6c757d", "#b59a2d", "#3a9ca8")
FAINT, INK, GRID = "#b9c6d2", "#3d4852", "#e4e8ec"
WIDTH_INCHES, HEIGHT_INCHES, ROW_INCHES = 5.0, 2.7, 0.3
LABEL_LENGTH = 30
# From here on ticks need no decimals.
_FEWEST_IN_WHOLES = 10

# The font that comes with matplotlib, whatever the machine has: the layout is measured with it.
STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "text.parse_math": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.use_mathtext": False,
    "grid.color": GRID,
    "xtick.color": INK,
    "ytick.color": INK,
}


@dataclass(frozen=True)
class Plot:
    """`legend` pairs names with colors; the page writes it, so that it wraps on a narrow screen."""

    svg: str
    legend: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Line:
    name: str
    points: Sequence[tuple[Any, float]]
    is_faint: bool = False


@dataclass(frozen=True)
class Interval:
    """An estimate between its bounds; a value known exactly has no bounds."""

    value: float
    low: float | None = None
    high: float | None = None


class _Drawing:
    def __init__(self, axes: Any) -> None:
        self.axes = axes
        self.svg = ""


@contextmanager
def _drawing(name: str, height: float, is_share: bool, along: str, is_whole: bool = True) -> Iterator[_Drawing]:
    """Axes whose value axis (`along`, x or y) has ticks in thousands or percent; `svg` is set on leaving.

    The name salts the ids inside the SVG, so that figures of one page do not share them.
    """
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    with matplotlib.rc_context(cast(Any, {**STYLE, "svg.hashsalt": name})):
        figure = Figure(figsize=(WIDTH_INCHES, height), layout="constrained")
        drawing = _Drawing(figure.add_subplot())
        drawing.axes.tick_params(length=0, pad=5)
        drawing.axes.grid(visible=False, axis="x" if along == "y" else "y")
        value_axis = getattr(drawing.axes, f"{along}axis")
        value_axis.set_major_locator(MaxNLocator(nbins=5, integer=is_whole and not is_share))
        value_axis.set_major_formatter(FuncFormatter(_percent if is_share else _thousands if is_whole else _plain))
        yield drawing
        written = io.StringIO()
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None})
        drawing.svg = _inline(written.getvalue())


def _inline(svg: str) -> str:
    """What HTML wants of the file: no prolog, no metadata, no style for the whole page, no ids but those in use."""
    box = re.search(r'viewBox="([-0-9. ]+)"', svg)
    body = re.sub(r"<metadata>.*?</metadata>|<style .*?</style>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    body = re.sub(r'<g id="[^"]*"', "<g", body[body.index(">") + 1 :])
    return f'<svg viewBox="{box[1] if box else ""}">{body.strip()}'


def _percent(value: float, _: Any = None) -> str:
    return f"{100 * value:.3g} %"


def _plain(value: float, _: Any = None) -> str:
    return f"{value:.4g}"


def _thousands(value: float, _: Any = None) -> str:
    return f"{value:,.0f}"


def _short(label: str) -> str:
    label = " ".join(label.split())
    return label if len(label) <= LABEL_LENGTH else label[: LABEL_LENGTH - 1] + "…"


def lines(name: str, series: Sequence[Line], is_share: bool = False) -> Plot:
    """Values by day, from zero up; faint lines are the single days behind a mean."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    colors = iter(COLORS)
    legend = tuple((line.name, FAINT if line.is_faint else next(colors)) for line in series)
    drawn = [value for line in series for _, value in line.points]
    is_whole = max(drawn, default=0) >= _FEWEST_IN_WHOLES or all(float(value).is_integer() for value in drawn)
    with _drawing(name, HEIGHT_INCHES, is_share, "y", is_whole) as drawing:
        for line, (_, color) in zip(series, legend, strict=True):
            days, values = _columns(line)
            marker, width = "o" if len(days) == 1 else "", 0.8 if line.is_faint else 1.6
            drawing.axes.plot(days, values, color=color, linewidth=width, marker=marker, markersize=4)
        locator = AutoDateLocator(minticks=3, maxticks=7)  # type: ignore[no-untyped-call]
        drawing.axes.xaxis.set_major_locator(locator)
        drawing.axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
        drawing.axes.set_ylim(bottom=0)
    return Plot(drawing.svg, legend if len(series) > 1 else ())


def curves(
    name: str, series: Sequence[Line], x_label: str, y_label: str, is_share: tuple[bool, bool], reference: Line
) -> Plot:
    """Lines of numbers against numbers, each of which is a share or not, before a faint one for reference."""
    from matplotlib.ticker import FuncFormatter

    colors = iter(COLORS)
    legend = tuple((line.name, next(colors)) for line in series)
    with _drawing(name, HEIGHT_INCHES, is_share[1], "y", is_whole=False) as drawing:
        drawing.axes.plot(*_columns(reference), color=FAINT, linewidth=0.8)
        for line, (_, color) in zip(series, legend, strict=True):
            drawing.axes.plot(*_columns(line), color=color, linewidth=1.6, marker="o", markersize=3)
        if is_share[0]:
            drawing.axes.xaxis.set_major_formatter(FuncFormatter(_percent))
        drawing.axes.set_xlabel(x_label)
        drawing.axes.set_ylabel(y_label)
    return Plot(drawing.svg, legend if len(series) > 1 else ())


def _columns(line: Line) -> tuple[Sequence[Any], Sequence[float]]:
    return ([x for x, _ in line.points], [y for _, y in line.points])


def bars(
    name: str,
    labels: Sequence[str],
    parts: Sequence[tuple[str, Sequence[float]]],
    notes: Sequence[str],
    is_share: bool = False,
) -> Plot:
    """Horizontal bars from the top down, each stacked from its parts, with a note at its end."""
    legend = tuple((part, COLORS[at % len(COLORS)]) for at, (part, _) in enumerate(parts))
    ends = [0.0] * len(labels)
    with _drawing(name, 0.6 + ROW_INCHES * max(1, len(labels)), is_share, "x") as drawing:
        places = range(len(labels))
        for (_, values), (_, color) in zip(parts, legend, strict=True):
            drawing.axes.barh(places, values, left=ends, color=color, height=0.66)
            ends = [end + value for end, value in zip(ends, values, strict=True)]
        for place, (end, note) in enumerate(zip(ends, notes, strict=True)):
            drawing.axes.annotate(note, (end, place), (4, 0), textcoords="offset points", va="center")
        # A note is about an eighth of the figure wide and must not leave it.
        drawing.axes.set_xlim(0, 1.25 * max(ends, default=0) or 1)
        _name_rows(drawing.axes, labels)
    return Plot(drawing.svg, legend if len(parts) > 1 else ())


def histogram(name: str, edges: Sequence[float], counts: Sequence[int], x_label: str, y_label: str) -> Plot:
    """Counts between edges that are shares."""
    from matplotlib.ticker import FuncFormatter

    with _drawing(name, HEIGHT_INCHES, False, "y") as drawing:
        widths = [high - low for low, high in pairwise(edges)]
        drawing.axes.bar(edges[:-1], counts, widths, align="edge", color=COLORS[0], edgecolor="white", linewidth=0.8)
        drawing.axes.set_xlim(edges[0], edges[-1])
        drawing.axes.xaxis.set_major_formatter(FuncFormatter(_percent))
        drawing.axes.set_xlabel(x_label)
        drawing.axes.set_ylabel(y_label)
    return Plot(drawing.svg)


def intervals(name: str, labels: Sequence[str], groups: Sequence[tuple[str, Sequence[Interval | None]]]) -> Plot:
    """For each label one estimate a group, with its interval, the groups beside each other; None is not drawn."""
    legend = tuple((group, COLORS[at % len(COLORS)]) for at, (group, _) in enumerate(groups))
    height = 0.6 + 1.4 * ROW_INCHES * max(1, len(labels))
    with _drawing(name, height, True, "x") as drawing:
        for at, ((_, estimates), (_, color)) in enumerate(zip(groups, legend, strict=True)):
            shift = (at - (len(groups) - 1) / 2) * 0.28
            for place, estimate in enumerate(estimates):
                _estimate(drawing.axes, estimate, place + shift, color)
        drawing.axes.axvline(0, color=FAINT, linewidth=1)
        _name_rows(drawing.axes, labels)
    return Plot(drawing.svg, legend)


def _estimate(axes: Any, estimate: Interval | None, place: float, color: str) -> None:
    if estimate is None:
        return
    if estimate.low is not None and estimate.high is not None:
        axes.plot((estimate.low, estimate.high), (place, place), color=color, linewidth=1.6)
    axes.plot(estimate.value, place, color=color, marker="o" if estimate.low is not None else "D", markersize=5)


def _name_rows(axes: Any, labels: Sequence[str]) -> None:
    axes.set_yticks(range(len(labels)), [_short(label) for label in labels])
    axes.set_ylim(max(1, len(labels)) - 0.4, -0.6)
    axes.spines["left"].set_visible(False)
