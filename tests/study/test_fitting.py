"""Keys of a model file that say how its regressions are fitted."""

from __future__ import annotations

import pytest

from coopgap.core.errors import StudyError
from coopgap.study.load import load_study
from coopgap.study.spec import Fitting

COVARIATES = 'covariates = ["age_band", "region"]'
ZONE = 'zone = "zone"'


def with_keys(*lines):
    return {COVARIATES: "\n".join([COVARIATES, *lines])}


def test_nothing_declared_is_the_usual_rule(make_study):
    (model,) = load_study(make_study()).models
    assert model.fitting == Fitting()
    assert (model.fitting.std_errors, model.fitting.intervals) == ("default", "wald")


def test_everything_declared_is_there(make_study):
    keys = with_keys('free = ["region"]', 'std_errors = "CR1S"', "fixed = true")
    (model,) = load_study(make_study(model=keys)).models
    assert model.fitting == Fitting(free=("region",), std_errors="CR1S", fixed=True)


@pytest.mark.parametrize("form", ["free", "shares", "proportional"])
def test_the_form_of_a_model_and_of_a_variant(make_study, form):
    folder = make_study(model=with_keys(f'form = "{form}"'))
    file = folder / "trust.toml"
    variant = '\n[[variant]]\nname = "other"\nform = "proportional"\n'
    file.write_text(file.read_text("utf-8") + variant, encoding="utf-8")
    (model,) = load_study(folder).models
    assert (Fitting().form, model.fitting.form) == ("free", form)
    assert [one.spec.fitting.form for one in model.variants] == [form, "proportional"]


def test_profile_intervals_are_asked_for(make_study):
    (model,) = load_study(make_study(model=with_keys('intervals = "profile"'))).models
    assert model.fitting.intervals == "profile"


@pytest.mark.parametrize(
    ("study", "model", "expected"),
    [
        (
            {},
            with_keys('free = ["income"]'),
            "trust.toml: free: income is no covariate of the model; covariates: age_band, region",
        ),
        (
            {},
            {COVARIATES: 'covariates = []\nfree = ["region"]'},
            "trust.toml: free: region is no covariate of the model; covariates: none",
        ),
        (
            {},
            with_keys('free = "region"'),
            "trust.toml: free: is a text; allowed: a list of texts",
        ),
        (
            {},
            with_keys('form = "partial"'),
            'trust.toml: form: is "partial"; allowed: free, shares, proportional',
        ),
        (
            {},
            with_keys('std_errors = "HC4"'),
            'trust.toml: std_errors: is "HC4"; allowed: CR1, CR1S, CR2, HC1, HC3',
        ),
        (
            {},
            with_keys('std_errors = "default"'),
            'trust.toml: std_errors: is "default"; allowed: CR1, CR1S, CR2, HC1, HC3',
        ),
        (
            {ZONE: ""},
            with_keys('std_errors = "CR2"'),
            "trust.toml: std_errors: is CR2, but the study declares no zone; "
            "name one under [design] in study.toml, or choose HC1 or HC3",
        ),
        (
            {},
            with_keys("fixed = 1"),
            "trust.toml: fixed: is a whole number; allowed: true or false",
        ),
        (
            {},
            with_keys('intervals = "bootstrap"'),
            'trust.toml: intervals: is "bootstrap"; allowed: wald, profile',
        ),
        (
            {ZONE: f'{ZONE}\nweight = "w"'},
            with_keys('intervals = "profile"'),
            "trust.toml: intervals: is profile, but sampling weights make no likelihood; "
            'leave it out or give "wald"',
        ),
        (
            {},
            with_keys('intervals = "profile"', 'free = ["region"]'),
            "trust.toml: intervals: is profile, but freed slopes have none; "
            'leave free out or give "wald"',
        ),
    ],
)
def test_refusals_are_one_clear_line(make_study, study, model, expected):
    with pytest.raises(StudyError) as caught:
        load_study(make_study(study, model=model))
    assert str(caught.value) == expected


def test_two_levels_have_one_threshold_and_nothing_to_free(make_study):
    keys = {
        'outcome = "trust"': 'outcome = "hungry"',
        COVARIATES: f'{COVARIATES}\nfree = ["region"]',
    }
    study = {'trust = "trust"': 'hungry = "trust"'}
    folder = make_study(study, model=keys)
    with pytest.raises(StudyError, match="free: hungry has two levels and one threshold"):
        load_study(folder)
    file = folder / "trust.toml"
    text = file.read_text("utf-8").replace('free = ["region"]', 'form = "shares"')
    file.write_text(text, encoding="utf-8")
    with pytest.raises(StudyError, match="form: hungry has two levels and one threshold"):
        load_study(folder)
