"""The compiled density: by hand, against PyMC, its gradient, its mirror image."""

from __future__ import annotations

import ast
import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from coopgap.bayes.cells import hierarchical_cells
from coopgap.bayes.layout import (
    DRAWS_VERSION,
    Form,
    Priors,
    SdPrior,
    constrain,
    make_layout,
    zero_sum,
)
from coopgap.bayes.sample import make_density

from .conftest import (
    answered,
    ladder_of,
    make_cells,
    make_mode_cells,
    make_number_cells,
    make_rows,
    shares_by_hand,
    with_modes,
    with_numbers,
    with_weights,
)

ROOT = Path(__file__).parents[2]
KEPT = Path(__file__).with_name("density.json")
HALF_T = Priors(
    beta_sd=0.7,
    gap_sd=SdPrior(scale=2.5, df=3.0),
    zone_sd=SdPrior(scale=1.0, df=1.0),
    threshold_shift_sd=0.8,
    slope_sd=0.6,
)
FORMS = [
    Form(zones=False),
    Form(),
    Form(link="probit"),
    Form(shifts=False),
    Form(region_gaps=False),
    Form(mode="mode"),
    Form(mode="mode", link="probit"),
    Form(mode="mode", shifts=False, zones=False),
]
WITH_NUMBERS = [
    Form(),
    Form(link="probit", shifts=False, zones=False),
    Form(mode="mode"),
    Form(mode="mode", link="probit"),
]
CASES = [*((form, False) for form in FORMS), *((form, True) for form in WITH_NUMBERS)]
"""Forms, and whether numeric covariates are in the model."""


def people(form, n_levels=4, *, numbers=False):
    """Rows and cells of the small survey, by mode where the form has one."""
    rows = make_rows(n_levels=n_levels, n_zones=9)
    if numbers:
        cells = make_number_cells(n_levels=n_levels, n_zones=9, mode=form.mode is not None)
        return with_numbers(rows if form.mode is None else with_modes(rows)), cells
    if form.mode is None:
        return rows, make_cells(n_levels=n_levels, n_zones=9)
    return with_modes(rows), make_mode_cells(n_levels=n_levels, n_zones=9)


def points(density, n=4, seed=0):
    return np.random.default_rng(seed).normal(0, 0.5, (n, density.layout.size))


def log_half(spread, prior):
    if np.isinf(prior.df):
        return stats.halfnorm.logpdf(spread, scale=prior.scale)
    return np.log(2) + stats.t.logpdf(spread, prior.df, scale=prior.scale)


def by_hand(rows, density, form, priors, x):
    """Person by person, from the formulas of the documentation, up to constants."""
    layout = density.layout
    draws = constrain(x[None, None], layout)
    total = answered(shares_by_hand(draws, rows, at=(0, 0), link=form.link), rows).sum()
    draws = {name: value[0, 0] for name, value in draws.items()}
    none = np.zeros(0)
    increments = draws.get("increments", none)
    pdf = stats.norm if form.link == "probit" else stats.logistic
    # The uniform Dirichlet's density on thresholds is the product of the link's densities; the
    # increments' Jacobian is the sum of their logarithms.
    total += pdf.logpdf(ladder_of(increments, draws["location"])).sum() + increments.sum()
    total += stats.norm.logpdf(draws["beta"], 0, priors.beta_sd)
    total += stats.norm.logpdf(draws.get("slopes", none), 0, priors.slope_sd).sum()
    for block in layout.blocks:
        spread = draws[f"{block.name}_sd"]
        # The density is over the logarithm of the SD.
        total += log_half(spread, block.prior(priors)) + np.log(spread)
        # Levels are SD^(1 - c) times free values, which are normal with SD^c.
        total += stats.norm.logpdf(x[block.free], 0, spread**block.centred).sum()
    for name in ("shift", "shift_by_mode"):
        total += stats.norm.logpdf(draws.get(name, none), 0, priors.threshold_shift_sd).sum()
    return total


@pytest.mark.parametrize(("form", "numbers"), CASES, ids=str)
@pytest.mark.parametrize("priors", [Priors(), HALF_T], ids=["half-normal", "half-t"])
@pytest.mark.parametrize("n_levels", [2, 4])
def test_density_on_cells_equals_people_by_hand(form, numbers, priors, n_levels):
    rows, cells = people(form, n_levels, numbers=numbers)
    density = make_density(cells, priors, form)
    at = points(density)
    found = np.array([density(x)[0] for x in at])
    expected = np.array([by_hand(rows, density, form, priors, x) for x in at])
    # Constants of the densities differ: every difference between two points must agree.
    assert found - found[0] == pytest.approx(expected - expected[0], abs=1e-8)


@pytest.mark.parametrize(("form", "numbers"), CASES, ids=str)
def test_gradient_is_the_slope_of_the_density(form, numbers):
    density = make_density(people(form, numbers=numbers)[1], HALF_T, form)
    for x in points(density, 2):
        _, gradient = density(x)
        step = 1e-5
        numeric = [
            (density(x + e)[0] - density(x - e)[0]) / (2 * step) for e in np.eye(x.size) * step
        ]
        # Central differences of step 1e-5 on values near 500 keep about six digits.
        assert gradient == pytest.approx(np.array(numeric), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize(
    ("form", "numbers", "weighted"),
    [*((*case, False) for case in CASES), (Form(), True, True), (Form(link="probit"), False, True)],
    ids=str,
)
def test_density_equals_the_pymc_model(form, numbers, weighted):
    pytest.importorskip("pymc")
    from coopgap.bayes.model import build_model

    rows, cells = people(form, numbers=numbers)
    if weighted:
        names = ("age", "region", "sex", "income") if numbers else ("region", "sex")
        cells = hierarchical_cells(with_weights(rows), names, "region", zones=True)
    density = make_density(cells, HALF_T, form)
    model = build_model(cells, HALF_T, form)
    log_density = model.compile_logp(jacobian=True, mode="FAST_COMPILE")
    names = {variable.name for variable in model.value_vars}

    def at(x):
        layout = density.layout
        values = {"beta": x[0], "location": x[1], "increments": x[2 : 1 + layout.n_cuts]}
        jacobian = 0.0
        for name, start in layout.shifts.items():
            values[name] = x[start : start + layout.n_cuts - 1]
        for block in layout.blocks:
            values[f"{block.name}_sd_log__"] = x[block.start - 1]
            ending = "_raw_zerosum__" if block.sums_to_zero else "_raw"
            # There levels are not centred at all.
            log_sd = block.centred * x[block.start - 1]
            values[block.name + ending] = x[block.free] * np.exp(-log_sd)
            jacobian -= block.n_free * log_sd
        if numbers:
            values["slopes"] = x[layout.slopes]
        assert set(values) == names
        given = {name: np.asarray(value) for name, value in values.items()}
        return float(log_density(given)) + jacobian

    # The PyMC model takes probabilities apart, which leaves no digits far up in the normal's tail:
    # points nearer to the middle than elsewhere.
    difference = [at(0.6 * x) - density(0.6 * x)[0] for x in points(density, 3)]
    assert difference == pytest.approx([difference[0]] * 3, abs=1e-8)


def test_zero_sum_is_the_transform_that_pymc_has():
    raw = np.random.default_rng(3).normal(size=(5, 4))
    levels = zero_sum(raw)
    assert levels.sum(axis=1) == pytest.approx(np.zeros(5), abs=1e-12)
    # An isometry: inner products of the free values are those of the levels.
    assert levels @ levels.T == pytest.approx(raw @ raw.T)


@pytest.mark.parametrize("numbers", [False, True])
@pytest.mark.parametrize("mode", [None, "mode"])
@pytest.mark.parametrize("link", ["logit", "probit"])
def test_a_reversed_outcome_with_swapped_groups_is_the_mirror_image(link, mode, numbers):
    form = Form(link=link, mode=mode)
    _, cells = people(form, numbers=numbers)
    mirrored = dataclasses.replace(cells, counts=cells.counts[:, ::-1], member=~cells.member)
    density, mirror = (make_density(c, Priors(), form) for c in (cells, mirrored))
    layout = density.layout
    for x in points(density):
        y = x.copy()
        y[1] = -x[1]
        y[2:4] = x[2:4][::-1]
        for name, at in layout.shifts.items():
            # The scale turns the order of shifts; those by membership change sign by the groups.
            y[at : at + 2] = (-1 if name == "shift" else 1) * x[at : at + 2][::-1]
        for block in layout.blocks:
            # Gaps change sign twice, by the scale and by the groups; levels once.
            y[block.free] = x[block.free] if block.of_gap else -x[block.free]
        y[layout.slopes] = -x[layout.slopes]
        assert mirror(y)[0] == pytest.approx(density(x)[0], abs=1e-9)


def test_order_of_people_and_names_of_regions_do_not_matter():
    cells = make_cells(n_zones=9)
    density = make_density(cells, Priors(), Form())
    order = np.random.default_rng(1).permutation(cells.row.size)
    shuffled = dataclasses.replace(
        cells,
        counts=cells.counts[order],
        member=cells.member[order],
        row=cells.row[order],
        zone=cells.zone[order],
    )
    for x in points(density):
        assert make_density(shuffled, Priors(), Form())(x)[0] == pytest.approx(density(x)[0])


def kept_points():
    """Densities of several forms at fixed points, by form: value, and two sums of the gradient."""
    found = {}
    for k, (form, numbers) in enumerate(CASES):
        density = make_density(people(form, numbers=numbers)[1], HALF_T, form)
        value, gradient = density(points(density, 1, seed=k)[0])
        along = np.arange(gradient.size) % 7
        found[str(k)] = [value, gradient.sum(), gradient @ along]
    return found


def test_a_changed_density_has_another_version():
    """Written by `python -m tests.bayes.test_density` where the version was raised."""
    kept = json.loads(KEPT.read_text(encoding="utf-8"))
    assert kept["version"] == DRAWS_VERSION
    for name, numbers in kept_points().items():
        assert numbers == pytest.approx(kept["points"][name], rel=1e-10), CASES[int(name)]


SAYS = """
import sys
import numpy as np
from coopgap.bayes.layout import Form, Priors
from coopgap.bayes.sample import make_density
sys.path.insert(0, sys.argv[1])
from conftest import make_mode_cells
density = make_density(make_mode_cells(n_zones=9), Priors(), Form(mode="mode"))
rng = np.random.default_rng(0)
for _ in range(200):
    value, gradient = density(rng.normal(0, 1, density.layout.size))
    print(value.hex(), *(slope.hex() for slope in gradient))
"""


@pytest.mark.slow  # it compiles twice, half a minute; what it rests on, the next one looks at
def test_a_kept_compilation_is_the_same_and_gives_way_to_a_changed_kernel(tmp_path):
    source = tmp_path / "src"
    shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
    places = {"NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": str(source)}

    def said():
        return subprocess.run(
            [sys.executable, "-c", SAYS, str(Path(__file__).parent)],
            env=os.environ | places,
            check=True,
            capture_output=True,
        ).stdout

    cold = said()
    assert cold.count(b"\n") == 200
    assert said() == cold
    kernel = source / "coopgap" / "bayes" / "kernel.py"
    text = kernel.read_text(encoding="utf-8")
    # As long as before: what tells them apart is not the length.
    changed = text.replace("value -= 0.5 * (x[k] / sd) ** 2", "value -= 0.4 * (x[k] / sd) ** 2")
    assert changed != text
    kernel.write_text(changed, encoding="utf-8")
    assert said() != cold


def test_the_kernel_is_one_file():
    """numba sees a change in the file of what it keeps, and not in another one."""
    tree = ast.parse((ROOT / "src" / "coopgap" / "bayes" / "kernel.py").read_text("utf-8"))
    taken = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    own = {name for name in taken if name and name.startswith("coopgap")}
    assert own == {"coopgap.core.arrays"}


def test_a_point_beyond_the_numbers_is_no_error():
    density = make_density(make_cells(), Priors(), Form())
    x = np.zeros(density.layout.size)
    x[2] = -2000.0
    value, _ = density(x)
    assert not np.isfinite(value)


def test_layout_counts_free_values():
    layout = make_layout(make_cells(n_zones=9), Form())
    # beta, location, 2 increments and 2 shifts; region 1 + 2, gap 1 + 2, sex 1 + 1, zones.
    assert layout.size == 6 + 3 + 3 + 2 + 10 + 10
    assert layout.shifts == {"shift": 4}
    assert layout.slopes == slice(34, 34)
    # One of age and three of income, behind all others.
    assert make_layout(make_number_cells(n_zones=9), Form()).slopes == slice(34, 38)
    assert make_layout(make_cells(n_levels=2), Form()).shifts == {}


if __name__ == "__main__":
    KEPT.write_text(
        json.dumps({"version": DRAWS_VERSION, "points": kept_points()}, indent=1) + "\n",
        encoding="utf-8",
    )
