"""What the plain installation leaves out says what to install, before anything is done."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import openpyxl
import pytest

from coopgap.app.cli import main
from coopgap.app.report import read_run
from coopgap.core import errors
from coopgap.core.errors import InputError
from coopgap.core.executor import executor

ROOT = Path(__file__).parents[1]
OFFICE = 'pip install "coopgap[office]"'


@pytest.fixture
def plain(monkeypatch):
    """The installation without any extra."""
    hidden = {module for _, module, _ in errors.EXTRAS.values()}
    find = errors.find_spec
    monkeypatch.setattr(errors, "find_spec", lambda name: None if name in hidden else find(name))


@pytest.mark.parametrize("kind", ["docx", "xlsx"])
@pytest.mark.parametrize(
    "command",
    [["fit", "no such study"], ["fit", "--dry-run"], ["report", "no such run"], ["printed"]],
    ids=" ".join,
)
@pytest.mark.usefixtures("plain")
def test_a_format_is_refused_before_anything_is_read(command, kind, tmp_path, monkeypatch, capsys):
    """In the order of work: a study or run that is not there would be the next thing refused."""
    monkeypatch.chdir(tmp_path)
    assert main([*command, "--formats", f"csv,{kind}"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert f"--formats {kind}: needs " in err
    assert OFFICE in err
    assert [*tmp_path.iterdir()] == []


@pytest.mark.usefixtures("plain")
def test_a_run_is_not_saved_half(tmp_path):
    run = read_run(ROOT / "reports" / "example")
    with pytest.raises(InputError, match="python-docx"):
        run.save(tmp_path / "run", formats=["csv", "docx"])
    assert [*tmp_path.iterdir()] == []


def test_a_workbook_is_read_once_the_extra_is_there(tmp_path, request, capsys):
    path = tmp_path / "survey.xlsx"
    book = openpyxl.Workbook()
    for row in (["member", "trust"], [1, 2], [0, 3], [1, 1]):
        book.active.append(row)
    book.save(path)
    assert main(["describe", str(path)]) == 0
    assert "[variables.trust]" in capsys.readouterr().out
    request.getfixturevalue("plain")
    assert main(["describe", str(path)]) == 2
    assert capsys.readouterr().err == f"coopgap: {path}: needs openpyxl; {OFFICE}\n"


@pytest.mark.usefixtures("plain")
def test_a_cluster_needs_dask():
    with (
        pytest.raises(InputError, match=r'needs Dask; pip install "coopgap\[cluster\]"'),
        executor(scheduler="tcp://127.0.0.1:1"),
    ):
        pass


def test_the_other_formats_need_no_extra(tmp_path):
    """CSV, pages, LaTeX and Parquet where the extras' modules cannot be imported at all."""
    shutil.copytree(ROOT / "reports" / "example", tmp_path / "run")
    code = (
        "import sys; sys.modules.update(docx=None, openpyxl=None, distributed=None)\n"
        "from coopgap.app.cli import main\n"
        "sys.exit(main(['report', 'run', '--formats', 'html,md,tex,parquet']))"
    )
    subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, timeout=300
    )
    assert (tmp_path / "run" / "tables.tex").is_file()
    assert (tmp_path / "run" / "gaps.parquet").is_file()


@pytest.mark.slow
def test_the_wheel_follows_the_tutorial_by_itself(tmp_path, capfd):
    """Installed into a folder of its own, far from the repository, without any extra."""
    sys.path.insert(0, str(ROOT / "tests"))
    try:
        import tutorial
    finally:
        sys.path.remove(str(ROOT / "tests"))
    place, empty = tmp_path / "place", tmp_path / "empty"
    wheel = tutorial.build(tmp_path)
    pip = [sys.executable, *tutorial.PIP, "install", "--no-deps", "--target", place, wheel]
    subprocess.run(pip, check=True)
    empty.mkdir()
    # Other distributions are those of this interpreter, but for the extras'.
    (place / "sitecustomize.py").write_text(
        "import sys; sys.modules.update(docx=None, openpyxl=None, distributed=None)\n", "utf-8"
    )
    environment = {"PATH": "", "HOME": str(tmp_path), "PYTHONPATH": str(place)}
    where = [sys.executable, "-P", "-c", "import coopgap; print(coopgap.__file__)"]
    found = subprocess.run(where, env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.startswith(str(place))
    tutorial.follow([sys.executable, "-P"], empty, environment)
    told = capfd.readouterr().out
    assert "dry run: nothing was fitted" in told
    assert f"{Path('reports') / 'peru' / 'report.html'}\n" in told
    assert (empty / "example.sav").is_file()
    saved = read_run(empty / "reports" / "peru")
    here = read_run(ROOT / "reports" / "example")
    key = "family == 'matched_logit' and group == 'all' and model == 'trusted_person'"
    gaps = saved.gaps.query(key)["estimate"]
    assert len(gaps) > 3
    assert gaps.to_list() == pytest.approx(here.gaps.query(key)["estimate"].to_list(), abs=1e-9)
