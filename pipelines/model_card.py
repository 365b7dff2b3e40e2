"""The card of a model version: what it is for, what it was made from, how it was judged and where its limits are."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from pipelines import decisions, model_figures
from pipelines.home import Home, write_atomically
from pipelines.simulate.describe import page

if TYPE_CHECKING:
    from models.description import Model
    from models.gate import Verdict
    from models.trial import Trial
    from pipelines.backtest import Backtest
    from pipelines.model_inputs import Inputs

FILE = "card.html"
Log = Callable[[str], None]


def documents(
    inputs: Inputs, model: Model, tested: Backtest, trial: Trial | None, verdict: Verdict, tags: Mapping[str, str]
) -> dict[str, bytes]:
    """The card and its plots as files."""
    judged = model_figures.judged(tested, trial, verdict.challenger) if trial else []
    own = model_figures.own(inputs, model)
    parts = model_figures.tables(trial, verdict.challenger) if trial else []
    parts += [model_figures.shown(title, drawn) for title, drawn in (("As judged", judged), ("As it is", own)) if drawn]
    plots = {f"{figure.name}.svg": _standalone(figure.plot.svg).encode() for figure in (*judged, *own)}
    return {FILE: _card(inputs, model, verdict, tags, parts).encode(), **plots}


def is_document(name: str) -> bool:
    """Whether a file beside a model's is for people to read."""
    return name.endswith((".html", ".svg"))


def publish(home: Home, model: str, log: Log) -> None:
    """Put the champion's card where analysts look: `published/models/<model>.html`, and one a version beside it."""
    for champion in decisions.champions_of(home, model)[:1]:
        card = home.root / champion.folder / FILE
        if card.exists():
            folder = home.published / "models"
            for path in (folder / model / f"{champion.model_version}.html", folder / f"{model}.html"):
                if not path.exists() or path.read_bytes() != card.read_bytes():
                    write_atomically(path, card.read_bytes())
                    log(f"model card: {path}")


def _card(inputs: Inputs, model: Model, verdict: Verdict, tags: Mapping[str, str], judged: Sequence[str]) -> str:
    description = inputs.description
    days = inputs.question.days(inputs.history)
    trained = f"{days[0]} to {days[1]}" if days else "nothing"
    facts = [
        ("data", f"{trained}, snapshot {inputs.snapshot}, tables {', '.join(description.tables)}"),
        ("judged on", tags["judged_on"]),
        ("label", f"{description.label}; known after {inputs.matures_days} days"),
        ("decided at", description.decided_at),
        ("gate", f"{'accepted' if verdict.is_accepted else 'refused'}: {verdict.reason}"),
        ("where no champion can speak", f"{description.fallback.baseline}"),
        ("too old after", f"{description.fallback.max_age_days} days"),
        ("exports", ", ".join(f"{export.name} v{export.version}" for export in description.exports)),
        ("made by", f"commit {tags['git_commit']}, seed {tags['seed']}, recipe {tags['recipe']}"),
    ]
    columns = [page.Column("", False), page.Column("", False)]
    body = [page.section("What it is", [], [page.table("Facts", columns, facts, "", is_wide=True)])]
    body += judged
    limits = "".join(f"<p>{page.prose(limit)}</p>" for limit in description.limits)
    body.append(page.section("Limits", [limits], []))
    return page.page(f"{description.name}: {model.method} {model.version}", description.purpose, body)


def _standalone(svg: str) -> str:
    """An inline SVG as a file of its own."""
    names = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
    return re.sub("^<svg ", f"<svg {names}", svg)
