"""Importing coopgap is light, and every public name is there."""

import subprocess
import sys

import pytest

import coopgap as cg

HEAVY = ("numpy", "pandas", "scipy", "pymc", "matplotlib", "formulaic", "statsmodels", "arviz")


def test_nothing_heavy_is_imported():
    code = f"import sys, coopgap; print([n for n in {HEAVY!r} if n in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("name", cg.__all__)
def test_every_name_is_there(name):
    assert getattr(cg, name) is not None
    assert name in dir(cg)


def test_other_names_are_not():
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        cg.nope  # noqa: B018


@pytest.mark.parametrize("part", [cg.checks, cg.datasets], ids=["checks", "datasets"])
def test_public_functions_of_packages(part):
    for name in part.__all__:
        assert callable(getattr(part, name))
    with pytest.raises(AttributeError, match="nope"):
        part.nope  # noqa: B018
