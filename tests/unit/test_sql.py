"""`nightshift sql`: what is asked is answered for a terminal, a pipe or a spreadsheet, and nothing else is reached."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import select
import subprocess
from datetime import date
from pathlib import Path

import pytest
from planted_published import publish
from shop import NIGHTSHIFT, nightshift

from pipelines.home import Home
from pipelines.spreadsheet import harmless

SALES = (
    "create schema marts",
    "create table marts.sales as select n as sku, n * 1.5 as amount from range(100) t(n)",
    "comment on table marts.sales is 'One row is a SKU.\n\nPrimary key: sku.'",
    "comment on column marts.sales.amount is 'Money.'",
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = Home.create(tmp_path_factory.mktemp("sql") / "home")
    publish(home, date(2026, 3, 1), "create table only_then as select 1 as one")
    publish(home, date(2026, 3, 2), *SALES)
    return home.root


def _asked(root: Path, *arguments: str, width: int = 80) -> list[str]:
    done = subprocess.run(
        [NIGHTSHIFT, "sql", *arguments, "--home", root],
        env={**os.environ, "COLUMNS": str(width)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_table_fits_the_terminal_and_says_what_it_leaves_out(root: Path) -> None:
    columns = ", ".join(f"'{'x' * 20}' as wide_column_{n}" for n in range(20))
    lines = _asked(root, f"select sku, {columns} from marts.sales order by sku", width=80)
    assert max(map(len, lines)) <= 80
    # 40 rows, between a top edge of two lines of header and a bottom edge, and the last of them is the fortieth.
    rows = [line for line in lines if line.startswith("│") and line.split()[1].isdigit()]
    assert [int(line.split()[1]) for line in rows] == list(range(40))
    assert lines[-2].split()[:2] == ["40", "rows"]
    assert "21 columns" in lines[-2]
    assert lines[-1] == "the first 40 rows; there are more: --limit N, or --csv for all"


def test_a_result_within_the_limit_is_whole(root: Path) -> None:
    assert "more" not in _asked(root, "from marts.sales", "--limit", "100")[-1]
    assert "the first 99 rows" in _asked(root, "from marts.sales", "--limit", "99")[-1]


def test_csv_is_whole_exact_and_harmless(root: Path) -> None:
    assert len(_asked(root, "from marts.sales", "--csv")) == 101
    assert len(_asked(root, "from marts.sales", "--csv", "--limit", "7")) == 8
    query = "select '=1+1' as formula, -5.10::decimal(9,2) as debt, 'a,\"b' as text, null as nothing, '' as bare"
    rows = list(csv.reader(io.StringIO("\n".join(_asked(root, query, "--csv")))))
    assert rows == [["formula", "debt", "text", "nothing", "bare"], ["'=1+1", "-5.10", 'a,"b', "", ""]]


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("\uff1d1+1", "'\uff1d1+1"),
        # What cannot be run stays as it is.
        ("-5", "-5"),
        ("+1.5e-3", "+1.5e-3"),
        ("a=1", "a=1"),
        ("", ""),
    ],
)
def test_a_cell_is_harmless_in_a_spreadsheet(cell: str, written: str) -> None:
    assert harmless(cell) == written


def test_json_is_an_array_of_objects(root: Path) -> None:
    query = (
        "select n, n / 0.0 as unbounded, 'nan'::double as nan, [n] as list, date '2026-03-01' as day from range(2) t(n)"
    )
    rows = json.loads("\n".join(_asked(root, query, "--json")), parse_constant=pytest.fail)
    assert [row["n"] for row in rows] == [0, 1]
    assert rows[1] == {"n": 1, "unbounded": None, "nan": None, "list": [1], "day": "2026-03-01"}
    assert json.loads("\n".join(_asked(root, "select 1 where false", "--json"))) == []
    # Two columns of one name are both there.
    assert json.loads("\n".join(_asked(root, "select 1 as a, 2 as a", "--json"))) == [{"a": 1, "a_1": 2}]


def test_an_older_day_is_asked_by_its_date(root: Path) -> None:
    assert _asked(root, "from only_then", "--as-of", "2026-03-01", "--csv") == ["one", "1"]
    assert _asked(root, "select count(*) as n from marts.sales", "--as-of", "2026-03-02", "--csv") == ["n", "100"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("from sales",), 'Table with name sales does not exist! Did you mean "marts.sales"?'),
        (("select sku,\n amout\nfrom marts.sales",), 'Candidate bindings: "amount"'),
        (("selec 1",), 'syntax error at or near "selec"'),
        (("select 'open",), "unterminated quoted string"),
        (("select '1x'::int",), "Could not convert string '1x' to INT32"),
        (("select 1", "--as-of", "2026-01-01"), "not among the published days: 2026-03-01, 2026-03-02"),
        # Nothing but the file is reached, and nothing is written.
        (("from read_text('/etc/hostname')",), "disabled by configuration"),
        (("from '/etc/passwd'",), "does not exist"),
        (("copy marts.sales to 'out.csv'",), "disabled by configuration"),
        (("attach 'other.duckdb'",), "disabled by configuration"),
        (("install httpfs",), "disabled by configuration"),
        (("set enable_external_access = true",), "the configuration has been locked"),
        (("create table marts.mine as select 1",), "attached in read-only mode"),
        (("delete from marts.sales",), "attached in read-only mode"),
        (("from settings",), "does not exist"),
    ],
)
def test_what_cannot_be_answered_is_said_in_one_line(root: Path, arguments: tuple[str, ...], said: str) -> None:
    done = nightshift(root, "sql", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_before_the_first_night_the_next_step_is_said(tmp_path: Path) -> None:
    home = Home.create(tmp_path / "home")
    done = nightshift(home.root, "sql", "select 1")
    assert (done.returncode, done.stderr) == (
        1,
        f"nightshift: nothing is published in {home.root} yet; run: nightshift run\n",
    )


def test_a_script_from_a_pipe_runs_statement_by_statement(root: Path) -> None:
    command = [NIGHTSHIFT, "sql", "--csv", "--home", root]
    script = "create temp table t as select 7 as n; -- a note;\nselect n, 'a;b' as text from t;"
    done = subprocess.run(command, input=script, capture_output=True, text=True, check=True)
    assert done.stdout == "n,text\n7,a;b\n"


def test_a_reader_that_has_enough_ends_it_in_silence(root: Path) -> None:
    query = "select n, repeat('x', 100) from range(100000) t(n)"
    asking = subprocess.Popen(
        [NIGHTSHIFT, "sql", query, "--csv", "--home", root], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert asking.stdout is not None
    assert asking.stderr is not None
    asking.stdout.readline()
    asking.stdout.close()
    assert asking.stderr.read() == b""
    assert asking.wait() == 0


def _at_the_prompt(root: Path, *typed: str) -> str:
    """What a terminal shows when each line is typed at the prompt that the one before led to."""
    ours, theirs = pty.openpty()
    wide = {**os.environ, "COLUMNS": "100", "TERM": "dumb"}
    prompt = subprocess.Popen([NIGHTSHIFT, "sql", "--home", root], stdin=theirs, stdout=theirs, stderr=theirs, env=wide)
    os.close(theirs)
    lines, shown, since = list(typed), "", ""
    while select.select([ours], [], [], 30)[0]:
        try:
            said = os.read(ours, 1 << 16).decode(errors="replace")
        except OSError:
            # The other end is closed: the prompt has ended.
            break
        shown, since = shown + said, since + said
        if lines and since.endswith("> "):
            os.write(ours, lines.pop(0).encode())
            since = ""
    prompt.terminate()
    assert prompt.wait() == 0
    os.close(ours)
    return shown


def test_the_prompt_takes_lines_up_to_a_semicolon_and_outlives_mistakes(root: Path) -> None:
    typed = ["select 'a;", "b' as text,", "6 * 7 as answer;", "select nothing from meta;", ".tables", ".schema sales"]
    typed += [".schema none", ".what", "select 20 + 3 as still_here;", "quit"]
    shown = _at_the_prompt(root, *(f"{line}\n" for line in typed))
    assert "published as of 2026-03-02, complete" in shown
    assert "42" in shown
    assert 'Binder Error: Referenced column "nothing" not found' in shown
    assert "│ marts.sales │   100 │ a SKU." in shown
    assert "│ amount" in shown
    assert "Money." in shown
    assert "there is no table none; .tables shows those there are" in shown
    assert "no such command: .what" in shown
    assert "23" in shown


def test_the_end_of_the_input_leaves_the_prompt(root: Path) -> None:
    assert "nightshift> " in _at_the_prompt(root, "\x04")
