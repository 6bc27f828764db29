"""What a run asks of the sampler."""

from __future__ import annotations

import shutil
from pathlib import Path

import coopgap
import coopgap.app.pipeline
from coopgap.app.plan import make_plan
from coopgap.checks.hierarchical import hierarchical_request
from coopgap.checks.registry import Scope, answers, checks
from coopgap.core.vocabulary import Verdict
from coopgap.study.load import load_study
from coopgap.study.spec import Hierarchical

BY_REGION = [one.name for one in checks().values() if one.scope in (Scope.FIT, Scope.REFIT)]
ROOT = Path(__file__).parents[1]


def asked(study, model):
    """What a run would ask of the sampler for one model."""
    plan = make_plan(study, only=[model])
    return hierarchical_request(plan, plan.models[0])


def test_target_acceptance_is_099_unless_a_study_says_otherwise(tmp_path):
    # On the Peru structure 0.95 gave divergences in two of six seeds, 0.99 in none.
    assert Hierarchical().target_accept == 0.99
    for name in ("peru", "uganda_dairy"):
        models = [model.hierarchical for model in load_study(name).models if model.hierarchical]
        assert models
        assert {one.target_accept for one in models} == {0.99}
    assert asked("peru", "trust_agree").target_accept == 0.99
    folder = tmp_path / "peru"
    shutil.copytree(ROOT / "models" / "peru", folder)
    path = folder / "trust_agree.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(f"{text}target_accept = 0.9\n", encoding="utf-8")
    assert asked(folder, "trust_agree").target_accept == 0.9


def test_zones_and_priors_follow_the_study_and_the_model_file(tmp_path):
    request = asked("peru", "trust_agree")
    assert request.form.zones
    assert request.cells.n_zones == 100
    folder = tmp_path / "peru"
    shutil.copytree(ROOT / "models" / "peru", folder)
    path = folder / "trust_agree.toml"
    text = path.read_text(encoding="utf-8").replace(
        '"trust_agree"', '"trust_agree"\nlink = "probit"', 1
    )
    path.write_text(f"{text}zones = false\npriors = {{ gap_sd = 0.25 }}\n", encoding="utf-8")
    request = asked(folder, "trust_agree")
    assert (request.form.zones, request.form.link) == (False, "probit")
    assert request.cells.zone is None
    assert request.priors.gap_sd.scale == 0.25
    assert request.priors.region_sd.scale == 0.5


def test_with_all_checks_a_model_without_regions_has_its_rows_and_reasons(monkeypatch):
    # The other checks with all refits are not what is looked at.
    def few(context, scope, cost):
        return () if scope is Scope.MODEL else answers(context, scope, cost)

    monkeypatch.setattr(coopgap.app.pipeline, "answers", few)
    for cost, expected in (("quick", set()), ("full", set(BY_REGION))):
        rows = coopgap.run("peru", only=["neighbours"], checks=cost, jobs=1).sensitivity
        rows = rows[rows["check"].isin(BY_REGION)]
        assert set(rows["check"]) == expected
        assert set(rows["verdict"]) <= {Verdict.NOT_APPLICABLE}
        assert rows["note"].str.contains("asks for no gaps by region").all()
