"""The examples of every public docstring run, and every public name has one."""

import doctest
import inspect
from importlib import import_module

import matplotlib
import pytest

import coopgap as cg

matplotlib.use("agg")

MODULES = (
    "coopgap",
    *(f"coopgap.api.{name}" for name in ("checks", "data", "fits", "gaps", "matched")),
    *(f"coopgap.api.{name}" for name in ("regions", "standardised", "within")),
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    found = doctest.testmod(import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
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


@pytest.mark.parametrize(("name", "one"), list(public()), ids=lambda one: str(one)[:40])
def test_docstrings_are_numpydoc(name, one):
    text = inspect.getdoc(one) or ""
    assert "Examples\n--------" in text, name
    parameters = list(inspect.signature(one).parameters)
    if parameters:
        assert "Parameters\n----------" in text, name
        section = text.partition("Parameters\n----------\n")[2].partition("\n\n")[0]
        named = {
            word.strip(" ,")
            for line in text.partition("Parameters\n----------\n")[2].splitlines()
            if line and not line.startswith(" ")
            for word in line.split(",")
        }
        assert {*parameters} <= named, (name, section)
    assert "Returns\n-------" in text, name
