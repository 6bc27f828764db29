"""Draws on disk: whole or refused, without answers, reused only for the same request."""

from __future__ import annotations

import hashlib
import os

import numpy as np
import pytest

from coopgap.bayes.gate import SamplerStats
from coopgap.bayes.layout import Form, draw_names
from coopgap.bayes.store import DrawsError, StoredDraws, load_draws, save_draws

from .conftest import make_draws, make_mode_cells


@pytest.fixture
def stored():
    rng, cells = np.random.default_rng(0), make_mode_cells(n_zones=9)
    return StoredDraws(
        digest="abc",
        draws=make_draws(cells, Form(mode="mode")),
        names=draw_names(cells),
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
    assert found.tree().identical(stored.tree())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.nc", "m.nc.sha256"]


def test_a_file_that_was_read_is_written_as_it_is(tmp_path, stored):
    path = tmp_path / "m.nc"
    save_draws(path, stored)
    first = path.read_bytes()
    save_draws(path, load_draws(path, "abc"))
    assert path.read_bytes() == first


def test_arviz_reads_the_file_and_finds_no_answers(tmp_path, stored):
    arviz = pytest.importorskip("arviz")
    path = tmp_path / "m.nc"
    save_draws(path, stored)
    tree = arviz.from_netcdf(path, engine="h5netcdf")
    assert set(tree.children) == {"posterior", "sample_stats"}
    assert tree["posterior"]["beta"].dims == ("chain", "draw")
    tree.close()


def test_levels_stand_by_their_names(tmp_path, stored):
    az = pytest.importorskip("arviz")
    save_draws(tmp_path / "m.nc", stored)
    tree = az.from_netcdf(tmp_path / "m.nc", engine="h5netcdf")
    posterior = tree["posterior"].load()
    draws = stored.draws
    for name, level, k in (
        ("gap", {"regions": "B"}, 1),
        ("covariate_sex", {"sex_levels": "female"}, 1),
        ("zone_gap", {"zones": "4"}, 4),
        ("shift", {"inner_levels": "high"}, 1),
        ("shift_by_mode", {"inner_levels": "mid"}, 0),
    ):
        assert np.array_equal(posterior[name].sel(level).to_numpy(), draws[name][..., k])
    summary = az.summary(tree, var_names=["gap", "increments"], ci_prob=0.95, round_to="none")
    assert list(summary.index) == [
        *(f"gap[{region}]" for region in "ABC"),
        *(f"increments[{level}]" for level in ("mid", "high")),
    ]
    assert float(summary.loc["gap[C]", "mean"]) == pytest.approx(draws["gap"][..., 2].mean())
    plot = az.plot_forest(tree, var_names=["gap"], backend="none")
    assert list(plot.viz["trunk"]["gap"].coords["regions"].to_numpy()) == ["A", "B", "C"]
    tree.close()


def test_another_request_is_refused(tmp_path, stored):
    path = tmp_path / "m.nc"
    save_draws(path, stored)
    with pytest.raises(DrawsError, match="another survey, model, seed or version"):
        load_draws(path, "abd")
    with pytest.raises(DrawsError, match="no draws are kept"):
        load_draws(tmp_path / "n.nc", "abc")


def altered(whole):
    """A file with one bit flipped, half written, or another file."""
    rng = np.random.default_rng(57)
    # The first bytes say what kind of file it is and how it is laid out.
    for bit in (*range(0, 8 * 96, 3), *map(int, rng.integers(8 * len(whole), size=150))):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        yield bytes(flipped)
    for part in (0.0, 0.1, 0.5, 0.9, 0.999):
        yield whole[: int(part * len(whole))]
    yield b"model,family\n"


def test_no_altered_file_is_read(tmp_path, stored):
    path = tmp_path / "m.nc"
    save_draws(path, stored)
    whole = path.read_bytes()
    for content in altered(whole):
        path.write_bytes(content)
        with pytest.raises(DrawsError, match="damaged or was altered"):
            load_draws(path, "abc")
    path.write_bytes(whole)
    assert load_draws(path, "abc").digest == "abc"
    path.unlink()
    path.mkdir()
    with pytest.raises(DrawsError, match="no draws are kept"):
        load_draws(path, "abc")


def test_what_stands_beside_the_file_can_refuse_it(tmp_path, stored):
    path, noted = tmp_path / "m.nc", tmp_path / "m.nc.sha256"
    save_draws(path, stored)
    assert noted.read_text().split() == [hashlib.sha256(path.read_bytes()).hexdigest(), "m.nc"]
    noted.write_bytes(b"")
    with pytest.raises(DrawsError, match="damaged or was altered"):
        load_draws(path, "abc")
    noted.unlink()
    with pytest.raises(DrawsError, match="cannot be read"):
        load_draws(path, "abc")
    noted.mkdir()
    with pytest.raises(DrawsError, match="cannot be read"):
        load_draws(path, "abc")


@pytest.mark.parametrize("content", [b"", b"model,family\n", b"\x89HDF\r\n\x1a\n" + bytes(2000)])
def test_a_sound_sum_of_another_kind_of_file_does_not_help(tmp_path, content):
    path = tmp_path / "m.nc"
    path.write_bytes(content)
    (tmp_path / "m.nc.sha256").write_text(hashlib.sha256(content).hexdigest())
    with pytest.raises(DrawsError, match="not a file of draws"):
        load_draws(path, "abc")


def test_a_failed_write_leaves_the_former_file(tmp_path, stored, monkeypatch):
    path = tmp_path / "m.nc"
    save_draws(path, stored)

    def full(_handle):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="disk full"):
        save_draws(path, stored)
    monkeypatch.undo()
    assert load_draws(path, "abc").digest == "abc"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.nc", "m.nc.sha256"]
