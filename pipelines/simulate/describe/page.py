"""One HTML page that needs nothing but itself: no script, no reference; whatever comes from data is escaped."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from pipelines.simulate.describe.figures import Plot

STYLE = """
:root { color-scheme: light; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 66rem; background: #fbfbfa; color: #2b333b;
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; }
h2 { font-size: 1.25rem; margin: 3rem 0 .5rem; padding-top: .75rem; border-top: 1px solid #dde2e6; }
h3 { font-size: 1rem; margin: 0 0 .25rem; }
p { margin: .25rem 0 .75rem; max-width: 46rem; }
code { font-size: .875em; background: #eef1f3; padding: 0 .25em; border-radius: 3px; }
.lead, .key p, figcaption, .absent { color: #5a6570; }
.keys, .figures { display: grid; gap: 1rem; }
.keys { grid-template-columns: repeat(auto-fill, minmax(min(100%, 14rem), 1fr)); margin: 1.5rem 0; }
.figures { grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr)); }
.key, figure { background: #fff; border: 1px solid #e4e8eb; border-radius: 8px; padding: .9rem 1rem; margin: 0; }
.key b { display: block; font-size: 1.5rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.key p, figcaption { font-size: .875rem; margin: .35rem 0 0; }
figure:only-child, .wide { grid-column: 1 / -1; }
.legend { font-size: .875rem; margin: 0 0 .25rem; display: flex; flex-wrap: wrap; gap: 0 1rem; }
.legend i { display: inline-block; width: .75em; height: .75em; border-radius: 2px; margin-right: .4em; }
svg { display: block; width: 100%; max-width: 36rem; height: auto; }
svg * { stroke-linejoin: round; stroke-linecap: butt; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
th, td { text-align: left; padding: .35rem .9rem .35rem 0; border-bottom: 1px solid #e9edf0; vertical-align: top; }
th { font-weight: 600; white-space: nowrap; }
.number { text-align: right; white-space: nowrap; }
"""


@dataclass(frozen=True)
class Column:
    name: str
    is_number: bool = True


def percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def count(number: float) -> str:
    return f"{number:,.0f}"


def prose(sentence: str) -> str:
    """Escaped text in which `so` becomes code, with places to break a long name."""
    return re.sub(r"`([^`]+)`", _code, escape(sentence))


def _code(match: re.Match[str]) -> str:
    return "<code>" + match[1].replace(".", ".<wbr>") + "</code>"


def key_figures(figures: Sequence[tuple[str, str, str]]) -> str:
    """Cards of value, name and the sentence that explains it."""
    cards = (
        f'<div class="key"><b>{escape(value)}</b>{escape(name)}<p>{prose(sentence)}</p></div>'
        for value, name, sentence in figures
    )
    return f'<div class="keys">{"".join(cards)}</div>'


def figure(heading: str, plot: Plot, caption: str) -> str:
    legend = "".join(f'<span><i style="background:{color}"></i>{escape(name)}</span>' for name, color in plot.legend)
    drawn = plot.svg.replace("<svg ", f'<svg role="img" aria-label="{escape(heading)}" ', 1)
    return (
        f"<figure><h3>{escape(heading)}</h3>"
        + (f'<p class="legend">{legend}</p>' if legend else "")
        + f"{drawn}<figcaption>{prose(caption)}</figcaption></figure>"
    )


def table(
    heading: str, columns: Sequence[Column], rows: Sequence[Sequence[str]], caption: str, is_wide: bool = False
) -> str:
    """A table that scrolls inside itself on a narrow screen."""
    wide = ' class="wide"' if is_wide else ""
    kinds = [' class="number"' if column.is_number else "" for column in columns]
    head = "".join(f"<th{kind}>{escape(column.name)}</th>" for kind, column in zip(kinds, columns, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{kind}>{escape(cell)}</td>" for kind, cell in zip(kinds, row, strict=True)) + "</tr>"
        for row in rows
    )
    return (
        f"<figure{wide}><h3>{escape(heading)}</h3>"
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div><figcaption>{prose(caption)}</figcaption></figure>"
    )


def absent(tables: Sequence[str]) -> str:
    """Why something is not shown."""
    names = ", ".join(f"`{name}`" for name in tables)
    return f'<p class="absent">{prose(f"Not shown: the truth of this store has no table {names}.")}</p>'


def section(heading: str, absences: Sequence[str], blocks: Sequence[str]) -> str:
    shown = f'<div class="figures">{"".join(blocks)}</div>' if blocks else ""
    return f"<section><h2>{escape(heading)}</h2>{''.join(absences)}{shown}</section>"


def page(title: str, lead: str, body: Sequence[str]) -> str:
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n"
        f'<body><h1>{escape(title)}</h1><p class="lead">{prose(lead)}</p>\n' + "\n".join(body) + "\n</body></html>\n"
    )
