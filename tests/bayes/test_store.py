"""Draws on disk: whole or refused, without answers, reused only for the same request."""

from __future__ import annotations

import numpy as np
import pytest

from coopgap.bayes.records import SamplerStats
from coopgap.bayes.store import DrawsError, StoredDraws, load_draws, save_draws

from .conftest import make_cells, make_draws


@pytest.fixture
def stored():
    rng = np.random.default_rng(0)
    return StoredDraws(
        digest="abc",
        draws=make_draws(make_cells(n_zones=9)),
        stats=SamplerStats(energy=rng.normal(size=(4, 50)), divergences=0, deepest=1),
        seconds=1.5,
        retried=True,
    )


def test_draws_come_back_as_they_were(tmp_path, stored):
    path = tmp_path / "m.nc"
    save_draws(path, stored)
    found = load_draws(path, "abc")
    assert found.draws.keys() == stored.draws.keys()
    assert all(np.array_equal(found.draws[name], stored.draws[name]) for name in found.draws)
    assert np.array_equal(found.stats.energy, stored.stats.energy)
    assert (found.stats.divergences, found.stats.deepest) == (0, 1)
    assert (found.seconds, found.retried) == (1.5, True)
    assert [p.name for p in tmp_path.iterdir()] == ["m.nc"]


def test_arviz_reads_the_file_and_finds_no_answers(tmp_path, stored):
    arviz = pytest.importorskip("arviz")
    path = tmp_path / "m.nc"
    save_draws(path, stored)
    tree = arviz.from_netcdf(path, engine="h5netcdf")
    assert set(tree.children) == {"posterior", "sample_stats"}
    assert tree["posterior"]["beta"].dims == ("chain", "draw")
    tree.close()


def test_another_request_is_refused(tmp_path, stored):
    path = tmp_path / "m.nc"
    save_draws(path, stored)
    with pytest.raises(DrawsError, match="another survey, model, seed or version"):
        load_draws(path, "abd")
    with pytest.raises(DrawsError, match="no draws are kept"):
        load_draws(tmp_path / "n.nc", "abc")


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_half_written_file_is_refused(tmp_path, stored, part):
    path = tmp_path / "m.nc"
    save_draws(path, stored)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(DrawsError, match=r"damaged|not what was written"):
        load_draws(path, "abc")


def test_an_altered_file_is_refused(tmp_path, stored):
    import h5py

    path = tmp_path / "m.nc"
    save_draws(path, stored)
    with h5py.File(path, "r+") as file:
        file["posterior/beta"][0, 0] += 1e-9
    with pytest.raises(DrawsError, match="not what was written"):
        load_draws(path, "abc")
    save_draws(path, stored)
    with h5py.File(path, "r+") as file:
        file.attrs["divergences"] = 7
    with pytest.raises(DrawsError, match="not what was written"):
        load_draws(path, "abc")


def test_a_failed_write_leaves_the_former_file(tmp_path, stored, monkeypatch):
    import xarray as xr

    path = tmp_path / "m.nc"
    save_draws(path, stored)

    def killed(self, target, **_):
        target.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(xr.DataTree, "to_netcdf", killed)
    with pytest.raises(OSError, match="disk full"):
        save_draws(path, stored)
    monkeypatch.undo()
    assert load_draws(path, "abc").digest == "abc"
    assert [p.name for p in tmp_path.iterdir()] == ["m.nc"]
