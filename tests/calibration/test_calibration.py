"""Calibration: truths are found where the model is right, and a broken model is rejected."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest

from coopgap.app import cli
from coopgap.app.plan import make_plan
from coopgap.bayes.cells import HierarchicalCells
from coopgap.bayes.layout import Form, Priors, SdPrior
from coopgap.calibration.designs import DESIGNS, design_rows
from coopgap.calibration.replicate import RANKED_DRAWS, Setup, calibrated, replicate, simulate
from coopgap.calibration.run import read_replicates, run_replicates, setup_digest
from coopgap.calibration.summary import summarise, uniform
from coopgap.core.errors import OutputError
from coopgap.core.progress import silent

from .departments import EMPTY, MEMBERLESS, NAMES, department_setup, department_survey

SIMS = 40


def small_cells(people=3):
    """A few people in every region, sex and group; two levels."""
    member, region, sex = (grid.ravel() for grid in np.meshgrid([0, 1], [0, 1, 2], [0, 1]))
    rows = np.array([[r, s] for r in range(3) for s in range(2)])
    counts = np.zeros((member.size, 2), dtype=np.int64)
    counts[:, 0] = people
    return HierarchicalCells(
        counts=counts,
        member=member == 1,
        row=2 * region + sex,
        zone=None,
        region=rows[:, 0],
        covariates=rows[:, 1:],
        levels=("no", "yes"),
        regions=("A", "B", "C"),
        terms={"sex": ("male", "female")},
    )


@pytest.fixture(scope="module")
def setup():
    return Setup(
        cells=small_cells(),
        priors=Priors(),
        fitted=Priors(),
        form=Form(zones=False),
        draws=200,
        tune=200,
        target_accept=0.9,
        seed=7,
    )


@pytest.fixture
def in_process(monkeypatch):
    """Replicates are made here: that processes make them the killed command's test looks at."""

    @contextmanager
    def threads(jobs, scheduler):
        with ThreadPoolExecutor(1) as pool:
            yield pool

    monkeypatch.setattr("coopgap.calibration.run.executor", threads)


@pytest.mark.slow
def test_a_right_model_is_calibrated(setup):
    replicates = [replicate(setup, number) for number in range(SIMS)]
    rows = summarise(replicates, setup, "m", "d")
    assert {row.group for row in rows} == {"all", "region=A", "region=B", "region=C"}
    assert all(row.inside_999 for row in rows)
    assert all(row.n_sims == SIMS for row in rows)


@pytest.mark.slow
def test_a_model_with_another_prior_is_rejected(setup):
    broken = dataclasses.replace(setup, fitted=dataclasses.replace(Priors(), beta_sd=0.15))
    replicates = [replicate(broken, number) for number in range(2 * SIMS)]
    assert not all(row.inside_999 for row in summarise(replicates, broken, "m", "d"))


def test_departments_are_ranked_too():
    found = replicate(department_setup(), 3)
    assert found["passed"]
    names = {f"latent||department={name}" for name in NAMES}
    assert names | {"area|poverty|all", "area_gap|poverty|all"} <= found["ranks"].keys()
    # The departments without members or without anybody among them.
    cells = department_survey()
    assert cells.people(None, EMPTY) == (0, 0)
    assert cells.people(None, MEMBERLESS) == (20, 0)


@pytest.mark.slow
def test_departments_are_calibrated():
    replicates = [replicate(department_setup(), number) for number in range(200)]
    rows = summarise(replicates, department_setup(), "invented", "departments")
    assert all(row.inside_999 for row in rows)


@pytest.mark.slow
def test_another_prior_on_departments_is_rejected():
    setup = department_setup()
    narrow = dataclasses.replace(setup.fitted, department_gap_sd=SdPrior(scale=0.02), slope_sd=0.02)
    broken = dataclasses.replace(setup, fitted=narrow)
    replicates = [replicate(broken, number) for number in range(60)]
    rows = summarise(replicates, broken, "invented", "departments")
    assert not all(row.inside_999 for row in rows)


def test_a_density_with_the_wrong_sign_is_rejected(setup, monkeypatch):
    from coopgap.bayes import sample as module

    right = module.make_density

    def wrong(cells, priors, form):
        return right(dataclasses.replace(cells, member=~cells.member), priors, form)

    monkeypatch.setattr(module, "make_density", wrong)
    large = dataclasses.replace(setup, cells=small_cells(people=40))
    replicates = [replicate(large, number) for number in range(SIMS // 2)]
    rows = summarise(replicates, large, "m", "d")
    assert not all(row.inside_999 for row in rows)


def test_ranks_are_of_the_truth_among_thinned_draws(setup):
    found = replicate(setup, 3)
    assert found == {**replicate(setup, 3), "seconds": found["seconds"]}
    assert all(0 <= rank <= RANKED_DRAWS for rank in found["ranks"].values())
    other = replicate(dataclasses.replace(setup, seed=8), 3)
    assert other["ranks"] != found["ranks"]


def test_answers_come_from_the_truth(setup):
    """With very many people shares are the probabilities that the draws give."""
    cells = small_cells(people=200_000)
    from coopgap.bayes.draws import draw_margins
    from coopgap.bayes.layout import constrain, make_layout, prior_draws

    layout = make_layout(cells, setup.form)
    rng = np.random.default_rng(2)
    truth = constrain(prior_draws(layout, Priors(), "logit", 1, rng), layout)
    counts = simulate(truth, cells, setup.form, rng)
    assert (counts.sum(axis=1) == cells.counts.sum(axis=1)).all()
    member, comparison = draw_margins(truth, cells, "logit")
    share = [counts[cells.member == m].sum(axis=0)[1] / (6 * 200_000) for m in (1, 0)]
    # Binomial standard error .0005.
    assert share == pytest.approx([member[0, 0, 0, 1], comparison[0, 0, 0, 1]], abs=0.002)
    gap = calibrated(truth, cells, setup.form)["risk_difference||all"][0, 0]
    assert share[0] - share[1] == pytest.approx(gap, abs=0.003)


def test_uniform_values_of_uniform_ranks():
    ranks = np.random.default_rng(0).integers(0, RANKED_DRAWS + 1, 5000)
    values = uniform(ranks)
    assert 0 <= values.min() < values.max() < 1
    # Standard error of the mean .004, of the variance .001.
    assert values.mean() == pytest.approx(0.5, abs=0.015)
    assert values.var() == pytest.approx(1 / 12, abs=0.005)


@pytest.mark.usefixtures("in_process")
def test_a_run_goes_on_where_it_stopped(setup, tmp_path):
    folder = tmp_path / "run"

    def run(sims):
        return run_replicates(folder, setup, sims, jobs=1, scheduler=None, notify=silent)

    assert run(3) == 3
    (folder / "000001.json").write_text("{", encoding="utf-8")
    before = (folder / "000002.json").read_bytes()
    assert run(5) == 3
    assert (folder / "000002.json").read_bytes() == before
    assert [one["number"] for one in read_replicates(folder, 5)] == [0, 1, 2, 3, 4]
    alone = replicate(setup, 1)
    assert read_replicates(folder, 5)[1]["ranks"] == alone["ranks"]


@pytest.mark.usefixtures("in_process")
def test_a_folder_says_of_which_setup_it_is_and_takes_no_other(setup, tmp_path):
    folder = tmp_path / "run"
    run_replicates(folder, setup, 1, jobs=1, scheduler=None, notify=silent)
    text = json.loads((folder / "setup.json").read_text(encoding="utf-8"))
    assert text == {"digest": setup_digest(setup)}
    other = dataclasses.replace(setup, draws=201)
    assert setup_digest(other) != setup_digest(setup)
    with pytest.raises(OutputError, match="another setup"):
        run_replicates(folder, other, 1, jobs=1, scheduler=None, notify=silent)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear", encoding="utf-8")
    with pytest.raises(OutputError, match="no replicates"):
        run_replicates(tmp_path / "full", setup, 1, jobs=1, scheduler=None, notify=silent)


def test_designs_keep_whom_they_say():
    plan = make_plan("peru", only=["trust_agree"])
    rows = plan.models[0].rows
    sizes = {name: design_rows(rows, name, "region") for name in DESIGNS}
    assert sizes["default"].n == rows.n
    assert sizes["small"].n == 250
    assert int(sizes["small"].member.sum()) == 125
    empty = sizes["empty_cell"]
    last = empty.factors["region"] == empty.factors["region"].max()
    assert empty.member[last].all()
    assert int(empty.member.sum()) == int(rows.member.sum())


QUICK = ("trust_agree", "--design", "small", "--draws", 100, "--tune", 100, "--jobs", 1)


@pytest.mark.usefixtures("in_process")
def test_the_command_can_be_killed_and_goes_on(tmp_path, capsys):
    arguments = (*QUICK, "--sims", 6, "--out", tmp_path)
    folder = tmp_path / "trust_agree-small"
    command = [sys.executable, "-m", "coopgap.calibrate", *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not list(folder.glob("0*.json")):
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.communicate()
    done = {path: path.read_bytes() for path in folder.glob("0*.json")}
    assert cli.run("calibrate", [str(one) for one in arguments]) in (0, 3)
    assert all(path.read_bytes() == text for path, text in done.items())
    assert len(list(folder.glob("0*.json"))) == 6
    table = (tmp_path / "trust_agree-small.csv").read_text(encoding="utf-8").splitlines()
    assert "n_sims" in table[0].split(",")
    assert capsys.readouterr().out.split() == [
        str(tmp_path / f"trust_agree-small{ending}")
        for ending in (".csv", "-ranks.png", "-ecdf.png")
    ]


def test_what_the_command_cannot_do_is_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("coopgap.core.executor._ANSWER_WITHIN", 0.2)
    for arguments, words in (
        (("neighbours",), "has no model by region"),
        (("nobody",), "no model named nobody"),
        (("ses", "--target-accept", "1.5"), "allowed: 0.5 to below 1"),
        (("ses", "--sims", 1, "--scheduler", "tcp://127.0.0.1:1"), "nothing answers"),
    ):
        given = [str(one) for one in (*arguments, "--out", tmp_path / "out")]
        assert cli.run("calibrate", given) == 2
        stderr = capsys.readouterr().err
        assert words in stderr
        assert len(stderr.strip().splitlines()) == 1


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_replicates(setup, tmp_path):
    distributed = pytest.importorskip("distributed")
    with (
        warnings.catch_warnings(action="ignore"),
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
        ) as cluster,
    ):
        run_replicates(
            tmp_path / "run",
            setup,
            3,
            jobs=None,
            scheduler=cluster.scheduler_address,
            notify=silent,
        )
    found = read_replicates(tmp_path / "run", 3)
    assert [one["ranks"] for one in found] == [replicate(setup, k)["ranks"] for k in range(3)]


def test_the_command_names_the_designs_there_are():
    assert (*DESIGNS,) == cli.DESIGNS
