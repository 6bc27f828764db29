"""The examples of every public docstring run, and every public name has one."""

import doctest
import inspect
from importlib import import_module

import matplotlib
import pytest

import coopgap as cg
from coopgap.api.cumulative import LogitFit, OrdinalFit
from coopgap.api.least_squares import LinearFit
from coopgap.api.within import SetsFit

matplotlib.use("agg")

MODULES = (
    "coopgap",
    "coopgap.app.result",
    *(
        f"coopgap.api.{name}"
        for name in ("checks", "data", "cumulative", "fits", "gaps", "gate", "matched")
    ),
    *(f"coopgap.api.{name}" for name in ("least_squares", "regions", "standardised", "within")),
)
INNER = ("cells", "formula", "of_outcome", "slopes", "statistics")
"""Methods for the package's own use."""


@pytest.fixture(scope="module")
def h():
    """The fit of the example of `hierarchical`, once: its methods' examples begin there."""
    df = cg.datasets.peru_example()
    return cg.hierarchical("trust_agree ~ sex", df, member="member", region="region", draws=20)


@pytest.fixture(scope="module")
def run():
    """The run of the example of `run`, likewise."""
    return cg.run("peru", only=["neighbours"], draws=100)


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name, h, run):
    found = doctest.testmod(
        import_module(name),
        optionflags=doctest.NORMALIZE_WHITESPACE,
        extraglobs={"cg": cg, "h": h, "run": run},
    )
    assert found.attempted > 0
    assert found.failed == 0


def public():
    """Functions, and classes with their methods, that somebody reaches from `coopgap`."""
    parts = [(cg, cg.__all__), (cg.checks, cg.checks.__all__), (cg.datasets, cg.datasets.__all__)]
    for part, names in parts:
        for name in names:
            one = getattr(part, name)
            if inspect.isfunction(one):
                yield f"{part.__name__}.{name}", one
            elif inspect.isclass(one) and one.__module__.startswith("coopgap.api"):
                yield from methods(one)
    for one in (OrdinalFit, LogitFit, LinearFit, SetsFit):
        yield from methods(one)


def methods(one):
    """Public methods and properties that a class defines, or takes from `Fit`."""
    for name in dir(one):
        method = inspect.getattr_static(one, name)
        method = getattr(method, "fget", None) or getattr(method, "func", None) or method
        if not name.startswith("_") and inspect.isfunction(method) and name not in INNER:
            yield f"{one.__name__}.{name}", method


@pytest.mark.parametrize(("name", "one"), [pytest.param(*each, id=each[0]) for each in public()])
def test_docstrings_are_numpydoc(name, one):
    text = inspect.getdoc(one) or ""
    assert "Examples\n--------" in text, name
    parameters = [name for name in inspect.signature(one).parameters if name != "self"]
    named = {
        word.strip()
        for line in text.partition("Parameters\n----------\n")[2].splitlines()
        if line and not line.startswith(" ")
        for word in line.split(",")
    }
    assert {*parameters} <= named
    if "." not in name.removeprefix("coopgap."):
        assert "Returns\n-------" in text
