"""An interrupted run of the long forms goes on where it was, and starts anew for other files."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

pytest_plugins = ("pytester",)

TESTS = Path(__file__).parents[1]
LONG_AND_SHORT = """
import pathlib, pytest
@pytest.mark.campaign
def test_passing():
    pass
@pytest.mark.campaign
def test_mended():
    assert pathlib.Path("is_mended").exists()
@pytest.mark.campaign
def test_whose_end_fails(request):
    request.addfinalizer(lambda: 1 / 0)
def test_short():
    pass
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    for name in ("PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER"):
        monkeypatch.delenv(name, raising=False)
    subprocess.run(["git", "init", "--quiet", pytester.path], check=True)
    pytester.makefile("", **{".gitignore": ".pytest_cache\n__pycache__\nis_mended\n"})
    pytester.makeconftest((TESTS / "conftest.py").read_text())
    pytester.makepyfile(LONG_AND_SHORT)
    return pytester


def test_what_has_passed_for_these_files_is_not_run_again(project: pytest.Pytester) -> None:
    resume = ("--campaigns", "--resume")
    project.runpytest_subprocess(*resume).assert_outcomes(passed=2, failed=1, errors=1, deselected=1)
    (project.path / "is_mended").touch()
    again = project.runpytest_subprocess(*resume, "-rs")
    again.assert_outcomes(passed=2, skipped=1, errors=1, deselected=1)
    again.stdout.fnmatch_lines(["campaigns: 1 have passed for these files", "SKIPPED * it has passed for these files*"])
    project.runpytest_subprocess(*resume).assert_outcomes(passed=1, skipped=2, errors=1, deselected=1)
    # Asked for without --resume, and after any change of the files, all run.
    project.runpytest_subprocess("--campaigns").assert_outcomes(passed=3, errors=1, deselected=1)
    project.makepyfile(other="")
    project.runpytest_subprocess(*resume).assert_outcomes(passed=3, errors=1, deselected=1)


def test_a_project_without_git_has_all_run_and_is_told(project: pytest.Pytester) -> None:
    (project.path / ".git").rename(project.path / "elsewhere")
    for _ in range(2):
        done = project.runpytest_subprocess("--campaigns", "--resume", "-k", "passing")
        done.assert_outcomes(passed=1, deselected=3)
        done.stdout.fnmatch_lines(["campaigns: without git *"])
