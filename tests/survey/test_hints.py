"""Which columns are proposed for what: neither a word alone tells, nor a shape alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from coopgap.survey.hints import guess
from coopgap.survey.profile import profile
from coopgap.survey.raw import from_dataframe


def guesses(data, **notes):
    raw = replace(from_dataframe(data), **notes)
    return guess([profile(raw, column) for column in raw.columns], raw.n_rows)


def keys(data, **notes):
    """Proposed columns by key, where there are any."""
    found = guesses(data, **notes).keys
    return {key: [item.column for item in items] for key, items in found.items() if items}


YES_NO = {1: "Yes", 2: "No", 8: "Don't know"}


def sheet(questions):
    """Answers, labels and labels of codes, from those of each question by name."""
    return {
        "data": pd.DataFrame({name: values for name, (_, values, _) in questions.items()}),
        "labels": {name: label for name, (label, _, _) in questions.items()},
        "value_labels": {name: codes for name, (_, _, codes) in questions.items() if codes},
    }


def english(n=240):
    """Columns have numbers for names: only labels and answers tell what they are."""
    rng = np.random.default_rng(3)
    two, steps = rng.choice([1.0, 2.0], n), rng.choice([1.0, 2, 3, 4], n)
    return {
        "q1": ("Respondent number", np.arange(n) + 10_000.0, {}),
        "q2": ("Primary sampling unit", np.repeat(np.arange(n // 6), 6) + 1.0, {}),
        "q3": ("Province", np.repeat([1.0, 2.0, 3.0, 4.0], n // 4), {}),
        "q4": ("Would a golpe de estado be justified?", rng.choice([1.0, 2.0, 8.0], n), YES_NO),
        "q5": ("Landline telephone in the home", two, YES_NO),
        "q6": ("Do you belong to a farmers' group or cooperative?", two, YES_NO),
        "q7": ("Mode of interview", two, {1: "Face to face", 2: "Telephone"}),
        "q8": ("Number of household members", rng.integers(1, 9, n).astype(float), {}),
        "q9": ("Member of a trade union: how active", steps, {}),
        "q10": ("Sampling weight", rng.uniform(0.4, 2.5, n).round(4), {}),
        "q11": ("Weight of the respondent in kg", rng.uniform(40, 90, n).round(1), {}),
        "q12": ("Estado civil", rng.choice([1.0, 2, 3], n), {}),
        "q13": ("Trust in your Member of Parliament", steps, {}),
    }


def spanish(n=720):
    rng = np.random.default_rng(5)
    region, two = np.repeat(np.arange(6), n // 6), rng.integers(1, 3, n)
    sexes, yes_no = {1: "Hombre", 2: "Mujer"}, {1: "Sí", 2: "No", 888888: "No sabe"}
    trust = {1: "Muy confiable", 2: "Algo", 3: "Poco", 4: "Nada", 888888: "No sabe"}
    return {
        "upm": ("Unidad primaria de muestreo", np.tile(np.repeat(np.arange(12), 10), 6), {}),
        "prov": ("Departamento", region, {k: f"Departamento {k}" for k in range(6)}),
        "estratopri": ("Estrato primario", region % 3 + 1, {}),
        "q1": ("Género", two, sexes),
        "sexi": ("Sexo del entrevistador", two, sexes),
        "q2": ("Edad", rng.integers(18, 90, n), {}),
        "ed": ("Años de educación", rng.integers(0, 18, n), {}),
        "ur": ("Urbano / Rural", two, {1: "Urbano", 2: "Rural"}),
        "c20": ("¿Alguien del hogar es socio de una cooperativa?", two, yes_no),
        "jc10": ("Se justificaría un golpe de Estado", two, yes_no),
        "r4": ("Teléfono fijo en el hogar", two, yes_no),
        "q12": ("Número de miembros del hogar", rng.integers(1, 7, n), {}),
        "b13": ("Confianza en los miembros del Congreso", rng.integers(1, 5, n), trust),
        "it1": ("Confianza interpersonal", rng.choice([1, 2, 3, 4, 888888], n), trust),
        "it2": ("Confianza en los vecinos", rng.integers(1, 5, n), trust),
        "wt": ("Peso", rng.uniform(0.5, 2, n).round(4), {}),
        **{f"wt_rep{k}": ("Peso replicado", rng.uniform(0.5, 2, n), {}) for k in range(8)},
    }


def test_labels_and_answers_tell_keys_from_questions_that_share_a_word():
    assert keys(**sheet(english())) == {
        "group": ["q6", "q9"],
        "region": ["q3"],
        "zone": ["q2"],
        "weight": ["q10"],
        "id": ["q1"],
        "mode": ["q7"],
    }


def test_without_labels_names_and_answers_tell():
    names = ["hhid", "village", "province", "has_phone", "coopMember", "interview_mode"]
    names += ["household_members", "wt", "estado_civil"]
    columns = ["q1", "q2", "q3", "q5", "q6", "q7", "q8", "q10", "q12"]
    data = sheet(english())["data"][columns].set_axis(names, axis=1)
    assert keys(data.assign(has_phone=data["has_phone"].map({1.0: "yes", 2.0: "no"}))) == {
        "group": ["coopMember"],
        "region": ["province"],
        "zone": ["village"],
        "weight": ["wt"],
        "id": ["hhid"],
        "mode": ["interview_mode"],
    }


def test_a_word_alone_is_no_hint():
    """A key's name on a column of another shape, or its shape under another name."""
    data = pd.DataFrame(
        {
            "region": np.arange(120) + 0.5,
            "weight": [1, 2] * 60,
            "zone": [1, 2, 3] * 40,
            "hhid": [1, 2] * 60,
            "colour": ["red", "blue", "green"] * 40,
        }
    )
    assert keys(data) == {}
    # A study may not hold a mark of direction.
    assert keys(pd.DataFrame({"\u202ecoop_member": [1, 2] * 60})) == {}


@pytest.mark.parametrize(
    ("zone", "strata", "weight", "replicates"),
    [
        ("v021", "v022", "v005", "rep"),
        ("HV021", "HV023", "HV005", "jk"),
        ("SDMVPSU", "SDMVSTRA", "WTINT2YR", "brr"),
        ("psu", "stratum", "PWGTP", "PWGTP"),
        ("conglome", "estrato", "factor07", "bsw"),
        ("ea", "strata", "wt", "repwgt"),
    ],
)
def test_the_usual_names_of_a_sampling_design(zone, strata, weight, replicates):
    rng = np.random.default_rng(1)
    columns = {zone: np.arange(600) // 10, strata: np.arange(600) // 60}
    columns["fpc"] = 900 + columns[strata]
    columns[weight] = 1000 * rng.lognormal(size=600) + 1000
    several = {f"{replicates}{k}": 1000 * rng.lognormal(size=600) for k in range(1, 21)}
    found = guesses(pd.DataFrame(columns | several))
    assert [item.column for item in found.keys["zone"]] == [zone]
    assert [item.column for item in found.keys["strata"]] == [strata]
    assert [item.column for item in found.keys["weight"]] == [weight]
    assert [item.column for item in found.keys["fpc"]] == ["fpc"]
    assert found.replicates == tuple(several)


def test_keys_covariates_and_outcomes_of_a_survey_in_spanish():
    found = guesses(**sheet(spanish()))
    assert {key: [item.column for item in items] for key, items in found.keys.items()} == {
        "group": ["c20"],
        "region": ["prov"],
        "zone": ["upm"],
        "weight": ["wt"],
        "id": [],
        "mode": [],
        "strata": ["estratopri"],
        "fpc": [],
    }
    assert found.replicates == tuple(f"wt_rep{k}" for k in range(8))
    assert {name: item.column for name, item in found.covariates.items()} == {
        "age": "q2",
        "sex": "q1",
        "education": "ed",
        "urban": "ur",
    }
    assert [item.column for item in found.outcomes] == ["b13", "it1"]  # Two of a battery.


@pytest.mark.parametrize(
    ("label", "is_membership"),
    [
        ("Is this household a member of one or more co-operatives?", True),
        ("Member of a SACCO", True),
        ("Êtes-vous membre d'une coopérative ?", True),
        ("É associado a alguma cooperativa?", True),
        ("Number of household members", False),
        ("Trust in members of parliament", False),
        ("Los miembros de su familia", False),
        ("Satisfaction with international cooperation", False),
    ],
)
def test_members_of_a_household_are_no_members(label, is_membership):
    found = keys(pd.DataFrame({"q7": [1, 2] * 40}), labels={"q7": label})
    assert ("group" in found) is is_membership


@pytest.mark.parametrize(
    ("name", "label", "values", "is_weight"),
    [
        ("pw", "", [44.21, 15.1, 20.4] * 40, True),
        ("v005", "Individual sample weight", [*range(200_000, 200_060)] * 2, True),
        ("withinwt", "", np.linspace(0.5, 2, 120), True),
        ("lwt", "Weight at the last period", [*range(80, 140)] * 2, False),
        ("bwt", "", [*range(2_000, 2_060)] * 2, False),
        ("weight", "", [0.0, *np.linspace(0.5, 2, 119)], False),
    ],
)
def test_a_weight_has_fractions_or_is_large(name, label, values, is_weight):
    assert ("weight" in keys(pd.DataFrame({name: values}), labels={name: label})) is is_weight
