"""Pages of what the checks found, for people: Great Expectations' Data Docs, made to be read without a network.

Its builder writes a page for every kept result and suite. They load fonts, scripts and tables from other hosts: all of
that is taken out, and a plain index takes the place of the one that a script would have to draw.
"""

from __future__ import annotations

import html
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipelines import ledger, quality
from pipelines.errors import NightshiftError
from pipelines.home import Home
from pipelines.quality import TIME_FORMAT

Log = Callable[[str], None]
_SITE = "data_docs"
_FETCHED = re.compile(
    r"<script\b.*?</script>|<style\b.*?</style>|<link\b[^>]*>|<img\b[^>]*>|<footer\b.*?</footer>"
    r'|<div class="card mb-3">\s*<div class="card-header p-2">\s*<strong>Actions</strong>.*?(?=<div class="card )',
    re.DOTALL,
)
_OUTSIDE = re.compile(r'<a\b[^>]*href="(?:https?:)?//[^"]*"[^>]*>(.*?)</a>', re.DOTALL)
_STYLE = """<style>
body { font: 15px/1.45 sans-serif; max-width: 76em; margin: 1em auto; padding: 0 1em; color: #222 }
th, td { border: 1px solid #ccc; padding: .2em .6em; text-align: left; vertical-align: top }
table { border-collapse: collapse; margin: .5em 0 } nav ul { columns: 3 }
.fa-check-circle::before { content: "met" } .fa-times::before { content: "not met"; color: #b00020 }
.critical { background: #fbd5d5 } .warning { background: #fdf0c8 }
</style>
"""


def publish(home: Home, log: Log) -> None:
    """Swap in `published/data_docs`, a link to the folder of the newest site; a reader sees the old one or the new.

    Without results there is nothing to show, and a site that shows the kept results already is left alone.
    """
    results = quality.kept_results(home)
    suites = {path.stem: ledger.file_sha256(path) for path in sorted(quality.SUITES.glob("*.json"))}
    name = ledger.fingerprint([suites, [str(path.relative_to(home.checks)) for path in results]])[:16]
    link, sites = home.published / _SITE, home.published / f".{_SITE}"
    target = sites / name
    if not results or (link.is_symlink() and link.resolve() == target.resolve() and target.is_dir()):
        return
    shutil.rmtree(sites / "beside", ignore_errors=True)
    shutil.rmtree(target, ignore_errors=True)
    _build(sites / "beside", results, list(suites))
    (sites / "beside").rename(target)
    beside = home.published / f".{_SITE}.tmp"
    beside.unlink(missing_ok=True)
    beside.symlink_to(target.relative_to(home.published), target_is_directory=True)
    if link.is_dir() and not link.is_symlink():
        # As in a copy of a home for which links were followed.
        shutil.rmtree(link)
    beside.replace(link)
    for old in sites.iterdir():
        if old != target:
            shutil.rmtree(old)
    log(f"data docs: {len(results)} results of checks in {link / 'index.html'}")


def _build(folder: Path, results: Mapping[Path, dict[str, Any]], suites: Sequence[str]) -> None:
    import great_expectations as gx

    folder.mkdir(parents=True)
    context = gx.get_context(mode="ephemeral")
    context.variables.data_docs_sites = {}
    store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)}
    index = {"class_name": "DefaultSiteIndexBuilder"}
    context.add_data_docs_site(
        _SITE, {"class_name": "SiteBuilder", "store_backend": store, "site_index_builder": index}
    )
    for name in suites:
        suite = quality.read_suite(name)
        context.suites.add(gx.ExpectationSuite(**suite | {"expectations": _noted(suite["expectations"])}))
    for path, result in results.items():
        _add(context, path, result)
    context.build_data_docs()
    shutil.rmtree(folder / "static")
    pages = {path.parent.name: path for path in folder.glob("validations/*/*/*/*.html")}
    if len(pages) != len(results):
        raise NightshiftError(f"data docs: of {len(results)} results of checks {len(pages)} could be shown")
    for page in folder.rglob("*.html"):
        page.write_text(_readable_offline(page.read_text()))
    (folder / "index.html").write_text(_index(folder, results, pages, suites))


def _add(context: Any, path: Path, result: dict[str, Any]) -> None:
    from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResultSchema
    from great_expectations.core.run_identifier import RunIdentifier
    from great_expectations.data_context.types.resource_identifiers import (
        ExpectationSuiteIdentifier,
        ValidationResultIdentifier,
    )

    run = RunIdentifier(run_name=_subject(result), run_time=_time(path))
    for one, config in zip(
        result["results"], _noted([r["expectation_config"] for r in result["results"]]), strict=True
    ):
        one["expectation_config"] = config
    result["meta"] |= {"run_id": run.to_json_dict()}
    suite = ExpectationSuiteIdentifier(name=result["suite_name"])
    key = ValidationResultIdentifier(expectation_suite_identifier=suite, run_id=run, batch_identifier="days")
    context.validation_results_store.set(key, ExpectationSuiteValidationResultSchema().load(result))


def _noted(configs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The reason and the severity of an expectation as notes, which the pages show."""
    return [config | {"notes": f"{config.get('severity', 'critical')}: {config['meta']['why']}"} for config in configs]


def _subject(result: dict[str, Any]) -> str:
    """What was judged; a part of a page's path."""
    return re.sub(r"[/\\]", " ", result["meta"]["where"])


def _time(path: Path) -> datetime:
    return datetime.strptime(path.stem, TIME_FORMAT).replace(tzinfo=UTC)


def _readable_offline(page: str) -> str:
    page = _OUTSIDE.sub(r"\1", _FETCHED.sub("", page))
    return page.replace("</head>", f"{_STYLE}</head>", 1)


def _index(folder: Path, results: Mapping[Path, dict[str, Any]], pages: dict[str, Path], suites: Sequence[str]) -> str:
    by_time = {f"{_time(path):%Y%m%dT%H%M%S.%fZ}": result for path, result in results.items()}
    rows = [_row(by_time[time], time, pages[time].relative_to(folder)) for time in sorted(by_time, reverse=True)]
    links = [f'<li><a href="expectations/{name}.html">{name}</a></li>' for name in suites]
    return (
        f'<!DOCTYPE html><html><head><meta charset="utf-8"><title>Checks</title>{_STYLE}</head><body><h1>Checks</h1>'
        "<p>The newest results of each suite, newest first. A critical finding keeps a batch out, a warning does not."
        "</p><table><tr><th>checked at (UTC)</th><th>what</th><th>judged</th><th>result</th></tr>"
        f"{''.join(rows)}</table><h2>Suites</h2><nav><ul>{''.join(links)}</ul></nav></body></html>"
    )


def _row(result: dict[str, Any], time: str, page: Path) -> str:
    failed = [one["expectation_config"] for one in result["results"] if not one["success"]]
    severities = [config.get("severity", "critical") for config in failed]
    worst = min(severities, default="", key=("critical", "warning").index)
    told = "; ".join(dict.fromkeys(_told(one) for one in result["results"] if not one["success"]))
    at = datetime.strptime(time, "%Y%m%dT%H%M%S.%fZ")
    return (
        f'<tr class="{worst}"><td>{at:%Y-%m-%d %H:%M:%S}</td>'
        f'<td><a href="{html.escape(page.as_posix())}">{html.escape(result["meta"]["where"])}</a></td>'
        f"<td>{result['meta']['rows']:,}</td><td>{html.escape(f'{worst}: {told}') if failed else 'passed'}</td></tr>"
    )


def _told(result: dict[str, Any]) -> str:
    """What is not met, and on which days where the rows are days."""
    config, rows = result["expectation_config"], result["result"].get("unexpected_index_list") or []
    days = [row["ds"] for row in rows if "ds" in row]
    on = f" on {', '.join(days[:3])}{' and others' if len(days) > 3 else ''}" if days else ""
    return f"{config['kwargs'].get('column', config['type'])}{on}"
