from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import fields

import pytest

from coopgap.bayes.layout import Priors
from coopgap.core.errors import StudyError
from coopgap.study.load import load_study
from coopgap.study.model import PRIORS
from coopgap.study.spec import Headline, Hierarchical

HEAD = 'title = "A small study"\n'
TRUST_LEVELS = 'levels = ["low", "middle", "high"]'
TRUST_TYPE = f'type = "ordinal"\n{TRUST_LEVELS}'
REGION_LEVELS = 'levels = ["north", "south"]'
HELPED = '[variables.helped]\ntype = "binary"\n'
SHARES = "shares = { low = 20, middle = 30, high = 50 }"
NORTH = (
    f'[[benchmark]]\noutcome = "trust"\nsource = "A yearbook"\n{SHARES}\n'
    'by = { region = "north" }\n'
)
HEADLINES = 'allowed: stem of a model file, { model = "stem", at = ">=LEVEL" }, or a list of these'
OUTCOME = 'outcome = "trust"\ncovariates'
METHOD = 'method = "exact"\n'
COVARIATES = 'covariates = ["age_band", "region"]'
ON = 'on = ["age_band"]'


def test_everything_declared_is_there(make_study):
    study = load_study(make_study())
    assert study.title == "A small study"
    assert study.name == "small"
    assert study.survey is None
    assert study.printed is None
    assert (study.group.member, study.group.comparison) == ((1,), (0,))
    assert (study.design.region, study.design.zone) == ("region", ("zone",))
    assert study.design.weight is None
    assert study.design.mode is not None
    assert study.design.mode.phone == ("phone",)
    assert study.headline == {"trust": (Headline(model="trust"),)}
    assert study.phone.margin == {"trust": 0.06}
    assert study.smallest_gap == 0.05
    assert study.benchmarks[0].whole.shares == {"low": 20, "middle": 30, "high": 50}
    (model,) = study.models
    assert (model.name, model.outcome, model.link, model.population) == (
        "trust",
        "trust",
        "logit",
        "members",
    )
    assert model.matching.on == ("age_band",)
    assert model.hierarchical == Hierarchical()


HELPED_MODEL = 'outcome = "helped"\ncovariates = ["age_band"]\n[matching]\non = ["age_band"]\n'


def with_second(folder):
    """The folder with a model of the outcome `helped` too."""
    (folder / "helped.toml").write_text(HELPED_MODEL, encoding="utf-8")
    return folder


def test_several_models_answer_one_question_and_its_threshold_is_declared(make_study):
    line = 'trust = [{ model = "trust", at = ">=high" }, "helped"]'
    given = {'[headline]\ntrust = "trust"': f"[headline]\n{line}"}
    study = load_study(with_second(make_study(given)))
    assert study.headline == {
        "trust": (Headline(model="trust", at=">=high"), Headline(model="helped"))
    }


def test_another_threshold_is_another_declaration(make_study):
    folder = make_study({'[headline]\ntrust = "trust"': '[headline]\ntrust = {model = "trust"}'})
    path = folder / "study.toml"
    plain = load_study(folder).sha256
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('{model = "trust"}', '{model = "trust", at = ">=high"}'))
    assert load_study(folder).sha256 != plain


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            'trust = ["trust", "helped"]\nhelped = "helped"',
            "headline.helped: model helped answers trust already; "
            "allowed: each model once, under one question",
        ),
        (
            'trust = ["helped", "trust"]',
            "headline.trust[1]: no model helped has this outcome; allowed: trust",
        ),
    ],
)
def test_a_model_answers_one_question_whose_first_has_its_outcome(make_study, lines, message):
    folder = with_second(make_study({'[headline]\ntrust = "trust"': f"[headline]\n{lines}"}))
    with pytest.raises(StudyError) as caught:
        load_study(folder)
    assert str(caught.value) == f"study.toml: {message}"


def test_a_negative_control_has_a_question_of_its_own(make_study):
    control = {HELPED: f'{HELPED}role = {{ helped = "negative_control" }}\n'}
    mixed = {'[headline]\ntrust = "trust"': '[headline]\ntrust = ["trust", "helped"]'}
    with pytest.raises(StudyError) as caught:
        load_study(with_second(make_study(control | mixed)))
    assert str(caught.value) == (
        "study.toml: headline.trust: holds the negative control helped among other outcomes; "
        "give it a question of its own"
    )


def test_the_hierarchical_model_as_declared(make_study):
    table = "[hierarchical]\nzones = false\npriors = { gap_sd = 0.25 }\ndraws = 300\n"
    table += "target_accept = 0.95\n"
    (model,) = load_study(make_study(model={"[hierarchical]\n": table})).models
    assert model.hierarchical == Hierarchical(
        zones=False, priors={"gap_sd": 0.25}, draws=300, target_accept=0.95
    )


def test_levels_of_every_type(make_study):
    levels = {name: one.levels for name, one in load_study(make_study()).variables.items()}
    assert levels == {
        "trust": ("low", "middle", "high"),
        "age_band": ("<25", "25-34", "35+"),
        "region": ("north", "south"),
        "hungry": ("no", "yes"),
        "helped": ("no", "yes"),
    }


@pytest.mark.parametrize(
    ("cuts", "levels"),
    [
        ("[25, 35, 45]", ("<25", "25-34", "35-44", "45+")),
        ("[25.0, 26, 28]", ("<25", "25", "26-27", "28+")),
        ("[25.5, 35]", ("<25.5", "[25.5, 35)", "35+")),
        ("[-5, 0]", ("<-5", "-5--1", "0+")),
    ],
)
def test_bands_are_left_closed(make_study, cuts, levels):
    study = load_study(make_study({"cuts = [25, 35]": f"cuts = {cuts}"}))
    assert study.variables["age_band"].levels == levels


def test_given_names_replace_the_usual_ones(make_study):
    study = load_study(
        make_study(
            {
                "cuts = [25, 35]": 'cuts = [25, 35]\nlevels = ["young", "middle", "old"]',
                HELPED: HELPED + 'levels = ["alone", "helped"]\n',
            }
        )
    )
    assert study.variables["age_band"].levels == ("young", "middle", "old")
    assert study.variables["helped"].levels == ("alone", "helped")


def test_collapse_folds_a_level_into_its_neighbour(make_study):
    collapse = f'{TRUST_LEVELS}\ncollapse = {{ middle = "low" }}'
    study = load_study(
        make_study({TRUST_LEVELS: collapse, SHARES: "shares = { low = 50, high = 50 }"})
    )
    trust = study.variables["trust"]
    assert trust.levels == ("low", "high")
    assert trust.declared_levels == ("low", "middle", "high")
    assert trust.collapse == {"middle": "low"}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            'method = "nearest"',
            {"distance": "propensity", "covariates": ("region",), "order": "largest", "ratio": 1},
        ),
        (
            'method = "nearest"\ndistance = "mahalanobis"\nratio = 2\nreplace = true',
            {"distance": "mahalanobis", "order": "random", "ratio": 2, "replace": True},
        ),
        (
            'method = "nearest"\nreplace = true\nties = "all"\nseed = 7',
            {"order": "largest", "replace": True, "ties": "all", "seed": 7},
        ),
        (
            'method = "optimal"\ncaliper = 0.2\ncovariates = ["helped"]',
            {"caliper": 0.2, "covariates": ("helped",), "distance": "propensity"},
        ),
        ('method = "full"\nmax_members = 3', {"max_members": 3, "max_comparison": None}),
        ('method = "cardinality"\nlimit = 0.05', {"limit": 0.05, "time_limit": 60.0}),
        ('method = "overlap"', {"covariates": ("region",)}),
        (
            'interactions = [["age_band", "region"]]',
            {"method": "exact", "interactions": (("age_band", "region"),)},
        ),
    ],
)
def test_a_matching_as_declared(make_study, lines, expected):
    (model,) = load_study(make_study(model={METHOD: f"{lines}\n"})).models
    assert model.matching.on == ("age_band",)
    assert {key: getattr(model.matching, key) for key in expected} == expected
    assert set(model.matching.covariates) <= set(model.variables)


def test_a_matching_is_about_every_covariate_where_all_are_strata(make_study):
    changes = {METHOD: 'method = "nearest"\n', ON: 'on = ["age_band", "region"]'}
    # The variant's strata stand in the same words.
    changes['matching = { on = ["age_band", "region"] }'] = 'covariates = ["age_band"]'
    (model,) = load_study(make_study(model=changes)).models
    assert model.matching.covariates == ("age_band", "region")


UNMATCHED = {"[matching]\n": "", METHOD: "", f"{ON}\n": ""}


def test_a_model_without_matching_is_about_all_members(make_study):
    (model,) = load_study(make_study(model=UNMATCHED)).models
    assert model.matching.method == "none"
    assert not model.matching.is_declared
    assert model.population == "all_members"
    assert model.variables == ("trust", "age_band", "region")
    (variant,) = model.variants
    assert (variant.spec.matching.method, variant.spec.population) == ("exact", "members")


def test_a_variant_replaces_whole_tables_and_leaves_the_rest(make_study):
    (model,) = load_study(make_study(model={METHOD: 'method = "entropy"\n'})).models
    (variant,) = model.variants
    assert variant.name == "regions too"
    assert variant.spec.matching.on == ("age_band", "region")
    # The variant's own table names no method: the base's "entropy" does not leak into it.
    assert (model.matching.method, variant.spec.matching.method) == ("entropy", "exact")
    assert variant.spec.covariates == model.covariates
    assert variant.spec.hierarchical == model.hierarchical
    assert variant.spec.variants == ()


def test_roles_and_groups(make_study):
    study = load_study(
        make_study(
            {REGION_LEVELS: f'{REGION_LEVELS}\ngroups = true\nrole = {{ trust = "mediator" }}'}
        )
    )
    region = study.variables["region"]
    assert region.groups
    assert region.role_for("trust") == "mediator"
    assert study.variables["age_band"].role_for("trust") == "confounder"


@pytest.mark.parametrize(
    ("line", "survey"), [('survey = "example"\n', "example"), ('survey = "data/file.sav"\n', None)]
)
def test_survey_is_the_example_or_lies_beside_the_study(make_study, line, survey):
    folder = make_study({HEAD: HEAD + line})
    assert load_study(folder).survey == (survey or folder / "data/file.sav")


def test_the_hash_covers_every_name_and_byte(make_study):
    folder = make_study()
    first = load_study(folder).sha256
    assert len(first) == len(hashlib.sha256().hexdigest())
    assert load_study(folder).sha256 == first
    text = (folder / "trust.toml").read_text()
    (folder / "trust.toml").write_text(text + "# a remark\n")
    second = load_study(folder).sha256
    (folder / "trust.toml").write_text(text)
    (folder / "trust.toml").rename(folder / "confidence.toml")
    study = (folder / "study.toml").read_text()
    (folder / "study.toml").write_text(study.replace('trust = "trust"', 'trust = "confidence"'))
    assert len({first, second, load_study(folder).sha256}) == 3


def test_a_byte_order_mark_and_hidden_files_do_no_harm(make_study):
    folder = make_study()
    (folder / "study.toml").write_bytes(b"\xef\xbb\xbf" + (folder / "study.toml").read_bytes())
    (folder / "._trust.toml").write_bytes(b"\x00\x05\x16\x07\xff")
    assert [model.name for model in load_study(folder).models] == ["trust"]


STUDY_ERRORS = {
    "unknown key, with the nearest": (
        {HEAD: HEAD + "smalest_gap = 0.1\n"},
        "study.toml: unknown key smalest_gap; allowed: title, survey, encoding, printed, "
        "smallest_gap, where, group, design, headline, phone, disclosure, negative_control, "
        "variables, "
        "benchmark; did you mean smallest_gap?",
    ),
    "unknown key of a table": (
        {"member = 1": "member = 1\nzzz = 1"},
        "study.toml: group: unknown key zzz; allowed: column, member, comparison, missing, "
        "member_label, comparison_label",
    ),
    "unknown key of a variable": (
        {"cuts = [25, 35]": "cuts = [25, 35]\nat_least = 1"},
        "study.toml: variables.age_band: unknown key at_least; allowed: column, type, label, "
        "groups, role, missing, collapse, levels, cuts, codes",
    ),
    "unknown key of the mode": (
        {'in_person = "here"': 'in_person = "here", web = "web"'},
        "study.toml: design.mode: unknown key web; allowed: column, in_person, phone",
    ),
    "unknown key of a benchmark": (
        {SHARES: f"{SHARES}\nshare = 1"},
        "study.toml: benchmark[1]: unknown key share; allowed: outcome, name, source, shares, by, "
        "n, design_effect; did you mean shares?",
    ),
    "no title": ({HEAD: ""}, "study.toml: title: is absent; give a text"),
    "title of another type": (
        {HEAD: "title = 3\n"},
        "study.toml: title: is a whole number; allowed: a text",
    ),
    "blank title": ({HEAD: 'title = " "\n'}, "study.toml: title: is empty; give a text"),
    "a text where a table belongs": (
        {"[phone]\nmargin = { trust = 0.06 }\n": "", HEAD: HEAD + "phone = true\n"},
        "study.toml: phone: is true or false; allowed: a table",
    ),
    "a table where an array of tables belongs": (
        {"[[benchmark]]": "[benchmark]"},
        "study.toml: benchmark: is a table; allowed: an array of tables",
    ),
    "a date where a value belongs": (
        {"member = 1": "member = 2020-01-31"},
        "study.toml: group.member: is a date or time; allowed: a text, a number, true or false",
    ),
    "no group column": (
        {'column = "member"\n': ""},
        "study.toml: group.column: is absent; give a text",
    ),
    "one value for both groups": (
        {"comparison = 0": 'comparison = "1.0"'},
        "study.toml: group.comparison: has a value that member has too; give it once",
    ),
    "a group that is also missing": (
        {"comparison = 0": "comparison = 0\nmissing = [98, 1]"},
        "study.toml: group.missing: has a value that member has too; give it once",
    ),
    "prevalence": (
        {"comparison = 0": "comparison = 0\nprevalence = 0.2"},
        "study.toml: group.prevalence: is not available in this version; "
        "it serves gaps over everyone; leave it out",
    ),
    "region no variable declares": (
        {'region = "region"': 'region = "regoin"'},
        "study.toml: design.region: no variable regoin is declared; "
        "declared: trust, age_band, region, hungry, helped",
    ),
    "a second cluster": (
        {'zone = "zone"': 'zone = "zone"\ncluster = "cooperative"'},
        "study.toml: design.cluster: is not available in this version; name the clusters as zone",
    ),
    "one value for both modes": (
        {'phone = "phone"': 'phone = " here "'},
        "study.toml: design.mode.phone: has a value that in_person has too; give it once",
    ),
    "printed numbers of another study": (
        {HEAD: HEAD + 'printed = "chile"\n'},
        'study.toml: printed: is "chile"; allowed: kenya, peru, philippines, poland, or FILE.csv '
        "in the study folder",
    ),
    "smallest gap in points": (
        {HEAD: HEAD + "smallest_gap = 5\n"},
        "study.toml: smallest_gap: is 5; allowed: between 0 and 1",
    ),
    "no headline": (
        {'[headline]\ntrust = "trust"\n': ""},
        "study.toml: headline: is absent or empty; "
        "declare outcome = model file stem before fitting",
    ),
    "headline naming no model": (
        {'[headline]\ntrust = "trust"': '[headline]\ntrust = "confidence"'},
        "study.toml: headline.trust: no model confidence has this outcome; allowed: trust",
    ),
    "headline that is a number": (
        {'[headline]\ntrust = "trust"': "[headline]\ntrust = 3"},
        f"study.toml: headline.trust: is neither a text nor a table; {HEADLINES}",
    ),
    "headline of nothing": (
        {'[headline]\ntrust = "trust"': "[headline]\ntrust = []"},
        f"study.toml: headline.trust: is an empty list; {HEADLINES}",
    ),
    "headline with a key too many": (
        {'[headline]\ntrust = "trust"': '[headline]\ntrust = { model = "trust", where = "B" }'},
        "study.toml: headline.trust: unknown key where; allowed: model, at",
    ),
    "headline without a model": (
        {'[headline]\ntrust = "trust"': '[headline]\ntrust = { at = ">=high" }'},
        "study.toml: headline.trust.model: is absent; give a text",
    ),
    "headline at no threshold": (
        {'[headline]\ntrust = "trust"': '[headline]\ntrust = { model = "trust", at = ">=low" }'},
        'study.toml: headline.trust.at: is ">=low"; allowed: >=high, >=middle',
    ),
    "headline at a level that is collapsed": (
        {
            '[headline]\ntrust = "trust"': '[headline]\ntrust = { model = "trust", at = ">=high" }',
            TRUST_TYPE: 'type = "ordinal"\nlevels = ["low", "middle", "more", "high"]\n'
            'collapse = { high = "more" }',
            SHARES: "shares = { low = 20, middle = 30, more = 50 }",
        },
        'study.toml: headline.trust.at: is ">=high"; allowed: >=more, >=middle',
    ),
    "headline at a threshold of two levels": (
        {
            '[headline]\ntrust = "trust"': '[headline]\ntrust = { model = "trust", at = ">=high" }',
            TRUST_TYPE: 'type = "ordinal"\nlevels = ["low", "high"]',
            'codes = { 1 = "low", 2 = "middle", 3 = "high" }': 'codes = { 1 = "low", 3 = "high" }',
            SHARES: "shares = { low = 50, high = 50 }",
        },
        "study.toml: headline.trust.at: trust has two levels; leave it out",
    ),
    "headline twice": (
        {'[headline]\ntrust = "trust"': '[headline]\ntrust = ["trust", "trust"]'},
        "study.toml: headline.trust[2]: model trust answers trust already; "
        "allowed: each model once, under one question",
    ),
    "headline with a model that is not there": (
        {'[headline]\ntrust = "trust"': '[headline]\ntrust = ["trust", "confidence"]'},
        "study.toml: headline.trust[2]: no model confidence is in the study folder; allowed: trust",
    ),
    "headline for another outcome": (
        {'[headline]\ntrust = "trust"': '[headline]\nhelped = "trust"'},
        "study.toml: headline.helped: no model trust has this outcome; "
        "allowed: outcomes of the model files",
    ),
    "margin for an undeclared outcome": (
        {"margin = { trust = 0.06 }": "margin = { helped = 0.06 }"},
        "study.toml: phone.margin: unknown key helped; allowed: trust",
    ),
    "margin in points": (
        {"margin = { trust = 0.06 }": "margin = { trust = 6 }"},
        "study.toml: phone.margin.trust: is 6; allowed: between 0 and 1",
    ),
    "margin of nothing": (
        {"margin = { trust = 0.06 }": "margin = { trust = 0.0 }"},
        "study.toml: phone.margin.trust: is 0; allowed: between 0 and 1",
    ),
    "phone population": (
        {"margin = { trust = 0.06 }": 'population = "people.csv"'},
        "study.toml: phone: unknown key population; allowed: margin",
    ),
    "type nobody knows": (
        {TRUST_TYPE: f'type = "likert"\n{TRUST_LEVELS}'},
        'study.toml: variables.trust.type: is "likert"; '
        "allowed: binary, ordinal, nominal, banded, count_of, numeric",
    ),
    "ordinal without levels": (
        {TRUST_LEVELS: ""},
        "study.toml: variables.trust.levels: is absent; give the levels, lowest first",
    ),
    "nominal without levels": (
        {REGION_LEVELS: ""},
        "study.toml: variables.region.levels: is absent; give the levels, reference first",
    ),
    "one level": (
        {REGION_LEVELS: 'levels = ["north"]'},
        "study.toml: variables.region.levels: has one level; give at least two",
    ),
    "a level twice": (
        {REGION_LEVELS: 'levels = ["north", "south", "north"]'},
        'study.toml: variables.region.levels: holds "north" twice; allowed: each once',
    ),
    "a level in two spellings": (
        {REGION_LEVELS: 'levels = ["1", " 1"]'},
        "study.toml: variables.region.levels: hold one level written in two ways; "
        "allowed: each once",
    ),
    "levels that are no texts": (
        {REGION_LEVELS: "levels = [1, 2]"},
        "study.toml: variables.region.levels: holds a whole number; allowed: texts",
    ),
    "an empty level": (
        {REGION_LEVELS: 'levels = ["north", ""]'},
        "study.toml: variables.region.levels: holds an empty text; allowed: texts",
    ),
    "three levels of a binary": (
        {HELPED: HELPED + 'levels = ["a", "b", "c"]\n'},
        "study.toml: variables.helped.levels: has 3 levels; give two, no before yes",
    ),
    "a code of no level": (
        {'3 = "high"': '3 = "hihg"'},
        'study.toml: variables.trust.codes.3: names no level "hihg"; allowed: low, middle, high',
    ),
    "a code that is a number": (
        {'3 = "high"': "3 = 3"},
        "study.toml: variables.trust.codes.3: is a whole number; allowed: a text",
    ),
    "a code in two spellings": (
        {'3 = "high"': '3 = "high", " 3" = "low"'},
        "study.toml: variables.trust.codes: hold one code written in two ways; give it once",
    ),
    "a code that is missing too": (
        {'missing = [98, "n/a"]': 'missing = [98, "3"]'},
        "study.toml: variables.trust.missing: holds a value that codes holds too; give it once",
    ),
    "yes and no alike": (
        {HELPED + "yes = [1]": HELPED + 'yes = ["2"]'},
        "study.toml: variables.helped.no: holds a value that yes holds too; give it once",
    ),
    "a level that is missing too": (
        {REGION_LEVELS: f'{REGION_LEVELS}\nmissing = ["south"]'},
        "study.toml: variables.region.missing: holds a value that levels holds too; give it once",
    ),
    "yes without no": (
        {HELPED + "yes = [1]\nno = [2]": HELPED + "yes = [1]"},
        "study.toml: variables.helped.no: is absent; give the values of both yes and no",
    ),
    "count_of without items": (
        {'items = ["h1", "h2"]\n': ""},
        "study.toml: variables.hungry.items: is absent or empty; give the columns to count",
    ),
    "count_of without yes": (
        {"yes = [1]\nno = [2]\nat_least": "at_least"},
        "study.toml: variables.hungry.yes: is absent; give the values that count",
    ),
    "count_of without at_least": (
        {"at_least = 1\n": ""},
        "study.toml: variables.hungry.at_least: is absent; give a whole number",
    ),
    "at_least beyond the items": (
        {"at_least = 1": "at_least = 3"},
        "study.toml: variables.hungry.at_least: is 3; allowed: 1 to 2",
    ),
    "at_least that is no whole number": (
        {"at_least = 1": "at_least = true"},
        "study.toml: variables.hungry.at_least: is true or false; allowed: a whole number",
    ),
    "banded without cuts": (
        {"cuts = [25, 35]\n": ""},
        "study.toml: variables.age_band.cuts: are absent or do not increase; "
        "give increasing numbers",
    ),
    "cuts that do not increase": (
        {"cuts = [25, 35]": "cuts = [25, 25]"},
        "study.toml: variables.age_band.cuts: are absent or do not increase; "
        "give increasing numbers",
    ),
    "cuts that are texts": (
        {"cuts = [25, 35]": 'cuts = ["25"]'},
        "study.toml: variables.age_band.cuts: holds a text; allowed: numbers",
    ),
    "a cut that is no number": (
        {"cuts = [25, 35]": "cuts = [25, nan]"},
        "study.toml: variables.age_band.cuts: is too large or no number; allowed: a finite number",
    ),
    "a cut that no float holds": (
        {"cuts = [25, 35]": "cuts = [25, 1e400]"},
        "study.toml: variables.age_band.cuts: is too large or no number; allowed: a finite number",
    ),
    "names that do not fit the cuts": (
        {"cuts = [25, 35]": 'cuts = [25, 35]\nlevels = ["young", "old"]'},
        "study.toml: variables.age_band.levels: has 2 levels; 2 cuts make 3",
    ),
    "collapse of an unknown level": (
        {REGION_LEVELS: f'{REGION_LEVELS}\ncollapse = {{ east = "south" }}'},
        'study.toml: variables.region.collapse.east: names no level "east"; allowed: north, south',
    ),
    "collapse into an unknown level": (
        {TRUST_LEVELS: f'{TRUST_LEVELS}\ncollapse = {{ low = "lower" }}'},
        'study.toml: variables.trust.collapse.low: names no level "lower"; '
        "allowed: low, middle, high",
    ),
    "collapse in a chain": (
        {TRUST_LEVELS: f'{TRUST_LEVELS}\ncollapse = {{ low = "middle", middle = "high" }}'},
        'study.toml: variables.trust.collapse.low: "middle" is itself collapsed; '
        "name a level that stays",
    ),
    "collapse to one level": (
        {REGION_LEVELS: f'{REGION_LEVELS}\ncollapse = {{ north = "south" }}'},
        "study.toml: variables.region.collapse: leaves one level; leave at least two",
    ),
    "collapse across a level": (
        {TRUST_LEVELS: f'{TRUST_LEVELS}\ncollapse = {{ high = "low" }}'},
        "study.toml: variables.trust.collapse: joins levels that are not neighbours; "
        "join neighbours, to keep the order",
    ),
    "role beside no outcome": (
        {REGION_LEVELS: f'{REGION_LEVELS}\nrole = {{ helped = "mediator" }}'},
        "study.toml: variables.region.role.helped: is the outcome of no model; allowed: trust",
    ),
    "role nobody knows": (
        {REGION_LEVELS: f'{REGION_LEVELS}\nrole = {{ trust = "collider" }}'},
        'study.toml: variables.region.role.trust: is "collider"; '
        "allowed: confounder, mediator, component, negative_control",
    ),
    "groups that are no flag": (
        {REGION_LEVELS: f'{REGION_LEVELS}\ngroups = "yes"'},
        "study.toml: variables.region.groups: is a text; allowed: true or false",
    ),
    "benchmark of no model's outcome": (
        {'outcome = "trust"\nsource': 'outcome = "helped"\nsource'},
        'study.toml: benchmark[1].outcome: is "helped"; allowed: trust',
    ),
    "two benchmarks of one outcome": (
        {
            "[[benchmark]]": "[[benchmark]]\n"
            f'outcome = "trust"\nsource = "B"\n{SHARES}\n[[benchmark]]'
        },
        'study.toml: benchmark[2].outcome: trust has two benchmarks named "national"; '
        "give each a name of its own",
    ),
    "two benchmarks for one region": (
        {"[[benchmark]]": f"{NORTH}{NORTH}[[benchmark]]"},
        "study.toml: benchmark[2].outcome: trust has two benchmarks for north named "
        '"national"; give each a name of its own',
    ),
    "benchmark without a region": (
        {"[[benchmark]]": f"{NORTH}[[benchmark]]"},
        'study.toml: benchmark[1].by: "national" lacks south; give every region, or none',
    ),
    "benchmark of one name from two sources": (
        {"[[benchmark]]": f"{NORTH.replace('A yearbook', 'B')}[[benchmark]]"},
        'study.toml: benchmark[2].source: differs from that of "national" before; '
        "give it another name",
    ),
    "benchmark by something else": (
        {"[[benchmark]]": f"{NORTH.replace('region =', 'age_band =')}[[benchmark]]"},
        "study.toml: benchmark[1].by: unknown key age_band; allowed: region",
    ),
    "benchmark of an unknown region": (
        {"[[benchmark]]": f"{NORTH.replace('north', 'west')}[[benchmark]]"},
        'study.toml: benchmark[1].by.region: is "west"; allowed: north, south',
    ),
    "benchmark named as a group of the survey": (
        {SHARES: f'{SHARES}\nname = "comparison"'},
        "study.toml: benchmark[1].name: is comparison, a group of the survey; give another name",
    ),
    "benchmark named as a group in large letters": (
        {SHARES: f'{SHARES}\nname = " Comparison "'},
        "study.toml: benchmark[1].name: is Comparison, a group of the survey; give another name",
    ),
    "benchmark named as rows at the sample's regions are": (
        {SHARES: f'{SHARES}\nname = "HHS, at the sample\'s regions"'},
        'study.toml: benchmark[1].name: ends in ", at the sample\'s regions"; give another name',
    ),
    "benchmark named so in large letters": (
        {SHARES: f'{SHARES}\nname = "HHS, At the Sample\'s regions"'},
        'study.toml: benchmark[1].name: ends in ", at the sample\'s regions"; give another name',
    ),
    "benchmark from fewer people than a number holds": (
        {SHARES: f"{SHARES}\nn = -{10**18}"},
        "study.toml: benchmark[1].n: is too large; allowed: whole numbers up to "
        "9,007,199,254,740,992",
    ),
    "design effect of everything": (
        {SHARES: f"{SHARES}\nn = 50\ndesign_effect = 1001"},
        "study.toml: benchmark[1].design_effect: is 1001; allowed: 0.1 to 1000",
    ),
    "benchmark with a size for some regions": (
        {"[[benchmark]]": f"{NORTH}n = 40\n{NORTH.replace('north', 'south')}[[benchmark]]"},
        'study.toml: benchmark[1].n: of "national" is absent for south; '
        "give all regions n, or none",
    ),
    "benchmark from more people than there are": (
        {SHARES: f"{SHARES}\nn = {10**11}"},
        "study.toml: benchmark[1].n: is 100000000000; allowed: 1 to 10,000,000,000",
    ),
    "benchmark from more people than a number holds": (
        {SHARES: f"{SHARES}\nn = {10**18}"},
        "study.toml: benchmark[1].n: is too large; allowed: whole numbers up to "
        "9,007,199,254,740,992",
    ),
    "design effect of fixed shares": (
        {SHARES: f"{SHARES}\ndesign_effect = 1.5"},
        "study.toml: benchmark[1].design_effect: is given without n; give both, or neither",
    ),
    "design effect of nothing": (
        {SHARES: f"{SHARES}\nn = 50\ndesign_effect = 0"},
        "study.toml: benchmark[1].design_effect: is 0; allowed: 0.1 to 1000",
    ),
    "benchmark without source": (
        {'source = "A yearbook"\n': ""},
        "study.toml: benchmark[1].source: is absent; give a text",
    ),
    "benchmark shares as fractions": (
        {SHARES: "shares = { low = 0.2, middle = 0.3, high = 0.5 }"},
        "study.toml: benchmark[1].shares: sum to 1; allowed: percent that sum to 100 ± 1",
    ),
    "benchmark shares just too many": (
        {SHARES: "shares = { low = 20, middle = 30, high = 51.1 }"},
        "study.toml: benchmark[1].shares: sum to 101.1; allowed: percent that sum to 100 ± 1",
    ),
    "benchmark of an unknown level": (
        {SHARES: "shares = { low = 20, middle = 30, top = 50 }"},
        "study.toml: benchmark[1].shares: unknown key top; allowed: low, middle, high",
    ),
    "benchmark without a level": (
        {SHARES: "shares = { low = 50, high = 50 }"},
        "study.toml: benchmark[1].shares: lacks middle; give every level",
    ),
    "benchmark with a negative share": (
        {SHARES: "shares = { low = -20, middle = 70, high = 50 }"},
        "study.toml: benchmark[1].shares.low: is -20; allowed: percent, 0 or more",
    ),
    "benchmark from nobody": (
        {SHARES: f"{SHARES}\nn = 0"},
        "study.toml: benchmark[1].n: is 0; allowed: 1 to 10,000,000,000",
    ),
}

MODEL_ERRORS = {
    "unknown key, with the nearest": (
        {COVARIATES: f"{COVARIATES}\npopulations = 1"},
        "trust.toml: unknown key populations; allowed: outcome, covariates, link, population, "
        "form, free, std_errors, fixed, intervals, matching, hierarchical, variant, multiverse; "
        "did you mean population?",
    ),
    "no outcome": ({'outcome = "trust"\n': ""}, "trust.toml: outcome: is absent; give a text"),
    "outcome no variable declares": (
        {OUTCOME: 'outcome = "confidence"\ncovariates'},
        "trust.toml: outcome: no variable confidence is declared; "
        "declared: trust, age_band, region, hungry, helped",
    ),
    "covariate no variable declares": (
        {COVARIATES: 'covariates = ["age_band", "sex"]'},
        "trust.toml: covariates: no variable sex is declared; "
        "declared: trust, age_band, region, hungry, helped",
    ),
    "covariates that are a text": (
        {COVARIATES: 'covariates = "age_band"'},
        "trust.toml: covariates: is a text; allowed: a list of texts",
    ),
    "a covariate twice": (
        {COVARIATES: 'covariates = ["age_band", "age_band"]'},
        'trust.toml: covariates: holds "age_band" twice; allowed: each once',
    ),
    "the outcome as a covariate": (
        {COVARIATES: 'covariates = ["trust"]'},
        "trust.toml: covariates: trust is the outcome or reads its column; leave it out",
    ),
    "the outcome matched on": (
        {ON: 'on = ["age_band", "trust"]'},
        "trust.toml: matching.on: trust is the outcome or reads its column; leave it out",
    ),
    "strata no variable declares": (
        {ON: 'on = ["age"]'},
        "trust.toml: matching.on: no variable age is declared; "
        "declared: trust, age_band, region, hungry, helped",
    ),
    "no strata": (
        {ON: "on = []"},
        "trust.toml: matching.on: is absent or empty; give the variables to match on",
    ),
    "link nobody knows": (
        {COVARIATES: f'{COVARIATES}\nlink = "cauchit"'},
        'trust.toml: link: is "cauchit"; allowed: logit, probit, cloglog',
    ),
    "link that the hierarchical model has not": (
        {COVARIATES: f'{COVARIATES}\nlink = "cloglog"'},
        "trust.toml: link: is cloglog, but [hierarchical] has none; allowed: logit, probit",
    ),
    "population nobody knows": (
        {COVARIATES: f'{COVARIATES}\npopulation = "everyone"'},
        'trust.toml: population: is "everyone"; '
        "allowed: members, all_members, pooled, overlap, poststratified",
    ),
    "a declared population that is not declared": (
        {COVARIATES: f'{COVARIATES}\npopulation = "poststratified"'},
        "trust.toml: population: is poststratified, but the study declares no population; "
        'name its file under [design] in study.toml: population = "FILE.csv"',
    ),
    "members of no matching": (
        UNMATCHED | {COVARIATES: f'{COVARIATES}\npopulation = "members"'},
        "trust.toml: population: is members, those who have a comparison, but the model has no "
        "[matching]; allowed without one: all_members, pooled, overlap, poststratified",
    ),
    "matching nobody knows": (
        {METHOD: 'method = "greedy"\n'},
        'trust.toml: matching.method: is "greedy"; '
        "allowed: exact, entropy, nearest, optimal, full, cardinality, overlap",
    ),
    **{
        f"{key} with {method} matching": (
            {METHOD: f'method = "{method}"\n{line}'},
            f"trust.toml: matching.{key}: is not used by {method} matching; allowed: {allowed}",
        )
        for method, key, line, allowed in (
            ("exact", "caliper", "caliper = 0.2\n", "on, interactions"),
            ("entropy", "distance", 'distance = "propensity"\n', "on, interactions"),
            (
                "optimal",
                "replace",
                "replace = true\n",
                "on, distance, covariates, caliper, ratio, seed, interactions",
            ),
            (
                "nearest",
                "limit",
                "limit = 0.1\n",
                "on, distance, covariates, caliper, ratio, replace, order, ties, seed, "
                "interactions",
            ),
            (
                "cardinality",
                "caliper",
                "caliper = 0.2\n",
                "on, covariates, limit, time_limit, seed, interactions",
            ),
            ("overlap", "ratio", "ratio = 2\n", "on, covariates, interactions"),
        )
    },
    "a matching key nobody knows": (
        {METHOD: 'method = "nearest"\ncalliper = 0.2\n'},
        "trust.toml: matching: unknown key calliper; allowed: method, on, interactions, distance, "
        "covariates, caliper, ratio, replace, order, ties, seed, max_comparison, max_members, "
        "limit, time_limit; "
        "did you mean caliper?",
    ),
    "a distance nobody knows": (
        {METHOD: 'method = "nearest"\ndistance = "euclidean"\n'},
        'trust.toml: matching.distance: is "euclidean"; '
        "allowed: propensity, mahalanobis, robust_mahalanobis",
    ),
    "an order without a score": (
        {METHOD: 'method = "nearest"\ndistance = "mahalanobis"\norder = "largest"\n'},
        "trust.toml: matching.order: is largest, but mahalanobis orders nobody; allowed: random",
    ),
    "the order of the file": (
        {METHOD: 'method = "nearest"\norder = "data"\n'},
        'trust.toml: matching.order: is "data"; allowed: largest, smallest, random',
    ),
    "all of equals without replacement": (
        {METHOD: 'method = "nearest"\nties = "all"\n'},
        "trust.toml: matching.ties: is all, which shares people; allowed: with replace = true",
    ),
    "a seed below nought": (
        {METHOD: 'method = "optimal"\nseed = -1\n'},
        "trust.toml: matching.seed: is -1; allowed: 0 or more",
    ),
    "a seed where nobody is chosen": (
        {METHOD: "seed = 1\n"},
        "trust.toml: matching.seed: is not used by exact matching; allowed: on, interactions",
    ),
    "a ratio below one": (
        {METHOD: 'method = "optimal"\nratio = 0\n'},
        "trust.toml: matching.ratio: is 0; allowed: 1 or more",
    ),
    "a caliper of no width": (
        {METHOD: 'method = "full"\ncaliper = 0\n'},
        "trust.toml: matching.caliper: is 0; allowed: above 0",
    ),
    "the outcome in the distance": (
        {METHOD: 'method = "nearest"\ncovariates = ["trust"]\n'},
        "trust.toml: matching.covariates: trust is the outcome or reads its column; leave it out",
    ),
    "a distance of what no variable declares": (
        {METHOD: 'method = "nearest"\ncovariates = ["sex"]\n'},
        "trust.toml: matching.covariates: no variable sex is declared; "
        "declared: trust, age_band, region, hungry, helped",
    ),
    "an interaction of one": (
        {METHOD: 'interactions = [["age_band"]]\n'},
        "trust.toml: matching.interactions[1]: names fewer than two variables; "
        "allowed: two or more",
    ),
    "an interaction of one with itself": (
        {METHOD: 'interactions = [["age_band", "age_band"]]\n'},
        'trust.toml: matching.interactions[1]: holds "age_band" twice; allowed: each once',
    ),
    "an interaction given twice": (
        {METHOD: 'interactions = [["age_band", "region"], ["region", "age_band"]]\n'},
        "trust.toml: matching.interactions[2]: stands twice; allowed: each once",
    ),
    "an interaction that is no list": (
        {METHOD: 'interactions = ["age_band", "region"]\n'},
        "trust.toml: matching.interactions: holds a text; allowed: lists of texts",
    ),
    "an interaction of numbers": (
        {METHOD: "interactions = [[1, 2]]\n"},
        "trust.toml: matching.interactions[1]: holds a whole number; allowed: texts",
    ),
    "an interaction of what the model does not need": (
        {METHOD: 'interactions = [["age_band", "helped"]]\n'},
        "trust.toml: matching.interactions[1]: helped is no covariate of the model or the "
        "matching, and no stratum; allowed: age_band, region",
    ),
    "a matching about nothing": (
        {METHOD: 'method = "nearest"\n', COVARIATES: "covariates = []", ON: "on = []"},
        "trust.toml: matching.on: is absent or empty; give the variables to match on",
    ),
    "zones that are no flag": (
        {"[hierarchical]\n": '[hierarchical]\nzones = "yes"\n'},
        "trust.toml: hierarchical.zones: is a text; allowed: true or false",
    ),
    "a prior nobody knows": (
        {"[hierarchical]\n": "[hierarchical]\npriors = { beta_scale = 1 }\n"},
        "trust.toml: hierarchical.priors: unknown key beta_scale; allowed: beta_sd, region_sd, "
        "gap_sd, covariate_sd, slope_sd, zone_sd, zone_gap_sd, threshold_shift_sd; did you mean "
        "beta_sd?",
    ),
    "a prior of no width": (
        {"[hierarchical]\n": "[hierarchical]\npriors = { gap_sd = 0 }\n"},
        "trust.toml: hierarchical.priors.gap_sd: is 0; allowed: above 0",
    ),
    "too few draws": (
        {"[hierarchical]\n": "[hierarchical]\ndraws = 10\n"},
        "trust.toml: hierarchical.draws: is 10; allowed: 100 or more a chain",
    ),
    "acceptance of everything": (
        {"[hierarchical]\n": "[hierarchical]\ntarget_accept = 1.0\n"},
        "trust.toml: hierarchical.target_accept: is 1; allowed: 0.5 to below 1",
    ),
    "variant without a name": (
        {'name = "regions too"\n': ""},
        "trust.toml: variant[1].name: is absent; give a text",
    ),
    "variant that changes nothing": (
        {'matching = { on = ["age_band", "region"] }\n': ""},
        "trust.toml: variant[1]: changes nothing; "
        "give one of covariates, link, form, free, std_errors, fixed, matching",
    ),
    "two variants of one name": (
        {"[hierarchical]\n": '[[variant]]\nname = "regions too"\ncovariates = []\n'},
        'trust.toml: variant[2].name: "regions too" stands twice; give each variant its own name',
    ),
    "variant with a mistake in it": (
        {'matching = { on = ["age_band", "region"] }': 'matching = { on = ["sex"] }'},
        "trust.toml: variant[1].matching.on: no variable sex is declared; "
        "declared: trust, age_band, region, hungry, helped",
    ),
    "variant of another outcome": (
        {'name = "regions too"': 'name = "helped"\noutcome = "helped"'},
        "trust.toml: variant[1].outcome: is not available in this version; "
        "give the outcome a model file of its own",
    ),
    "variant of another population": (
        {'name = "regions too"': 'name = "pooled"\npopulation = "pooled"'},
        "trust.toml: variant[1].population: is not available in this version; "
        "a variant redoes the gap over the matched members",
    ),
    "variant by region": (
        {'name = "regions too"': 'name = "by region"\nhierarchical = {}'},
        "trust.toml: variant[1].hierarchical: is not available in this version; "
        "give it a model file of its own",
    ),
}


def message(folder) -> str:
    with pytest.raises(StudyError) as caught:
        load_study(folder)
    return str(caught.value)


@pytest.mark.parametrize(("changes", "expected"), STUDY_ERRORS.values(), ids=STUDY_ERRORS)
def test_study_is_refused(make_study, changes, expected):
    assert message(make_study(changes)) == expected


@pytest.mark.parametrize(("changes", "expected"), MODEL_ERRORS.values(), ids=MODEL_ERRORS)
def test_model_is_refused(make_study, changes, expected):
    assert message(make_study(model=changes)) == expected


@pytest.mark.parametrize(
    ("study", "model", "name", "line"),
    [
        ({HEAD: 'title = "A small\n'}, {}, "study.toml", 1),
        ({HEAD: HEAD + HEAD}, {}, "study.toml", 2),
        ({}, {COVARIATES: "covariates = [\n\n= 3"}, "trust.toml", 4),
    ],
    ids=["open text", "key twice", "open list"],
)
def test_broken_toml_names_the_line(make_study, study, model, name, line):
    # What stands before the line is Python's own wording, which may change.
    said = message(make_study(study, model))
    assert said.startswith(f"{name}: is not TOML: ")
    assert f"(at line {line}, column " in said


def test_a_nominal_outcome_has_no_order(make_study):
    folder = make_study({TRUST_TYPE: f'type = "nominal"\n{TRUST_LEVELS}'})
    assert message(folder) == (
        "trust.toml: outcome: trust is nominal with 3 levels; "
        "declare it ordinal, lowest first, or join levels until two are left"
    )


def test_a_covariate_may_not_read_the_outcomes_column(make_study):
    folder = make_study(
        {'type = "nominal"\nlevels': 'type = "nominal"\ncolumn = "trust"\nlevels'},
    )
    assert message(folder) == (
        "trust.toml: covariates: region is the outcome or reads its column; leave it out"
    )


def test_membership_may_not_explain_membership(make_study):
    folder = make_study(
        {HELPED: '[variables.helped]\ncolumn = "member"\ntype = "binary"\n'},
        {COVARIATES: 'covariates = ["age_band", "helped"]'},
    )
    assert message(folder) == ("trust.toml: uses helped, the membership question; leave it out")


def test_regional_gaps_need_regions(make_study):
    folder = make_study({'region = "region"\n': ""})
    assert message(folder) == (
        "trust.toml: hierarchical: the study declares no region; "
        "name one under [design] in study.toml"
    )


def test_no_variables(make_study):
    folder = make_study()
    (folder / "study.toml").write_text(
        HEAD + '[group]\ncolumn = "member"\nmember = 1\ncomparison = 0\n'
    )
    assert message(folder) == (
        "study.toml: variables: is absent or empty; declare the survey's questions"
    )


def test_no_model_file(make_study):
    folder = make_study()
    (folder / "trust.toml").unlink()
    assert message(folder) == f"{folder}: holds no model file; add one, such as trust.toml"


def test_no_study_file(make_study):
    folder = make_study()
    (folder / "study.toml").unlink()
    assert message(folder) == f"{folder}: holds no study.toml; shipped studies: peru, uganda_dairy"


def test_a_file_is_no_study_folder(make_study):
    path = make_study() / "study.toml"
    assert message(path) == f"{path}: holds no study.toml; shipped studies: peru, uganda_dairy"


@pytest.mark.parametrize("name", ["perú", "models/chile", "../peru", ""])
def test_no_such_study(name):
    assert message(name) == f"{name}: no such study folder; shipped studies: peru, uganda_dairy"


def test_a_name_that_no_file_system_takes():
    assert message("x" * 5000) == f"{'x' * 5000}: cannot be read; File name too long"


@pytest.mark.parametrize("name", ["study.toml", "trust.toml"])
def test_not_utf8(make_study, name):
    folder = make_study()
    path = folder / name
    path.write_bytes(path.read_bytes() + "# Perú\n".encode("latin-1"))
    assert message(folder) == f"{name}: is not UTF-8; save it as UTF-8"


def test_a_folder_in_the_place_of_a_file(make_study):
    folder = make_study()
    (folder / "extra.toml").mkdir()
    assert message(folder) == "extra.toml: cannot be read; Is a directory"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"n = {'[' * 100_000}", "study.toml: nests tables or lists too deeply; flatten it"),
        (f"n = 1{'0' * 5000}", "study.toml: is not TOML: Exceeds the limit (4300 digits)"),
    ],
    ids=["deep", "long"],
)
def test_toml_that_the_parser_gives_up_on(make_study, text, expected):
    folder = make_study()
    (folder / "study.toml").write_text(text)
    assert message(folder).startswith(expected)


def test_loading_brings_in_nothing_heavy():
    code = "import sys, coopgap.study.load; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    heavy = {"arviz", "matplotlib", "numpy", "pandas", "pymc", "pytensor", "scipy"}
    assert heavy.isdisjoint(done.stdout.split())


def test_the_priors_of_a_model_file_are_those_of_the_model():
    assert set(PRIORS) == {item.name for item in fields(Priors)}
