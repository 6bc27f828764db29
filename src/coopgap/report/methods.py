"""What a run used, and the papers to cite for it: one condition a paper, told from the tables."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Final

from coopgap.core.vocabulary import (
    Check,
    Diagnostic,
    Family,
    IntervalKind,
    OddsTest,
    Population,
    Quantity,
)
from coopgap.report.data import Results
from coopgap.report.words import joined
from coopgap.study.spec import Matching

_ORDINAL: Final = frozenset({Family.ADJUSTED_ORDINAL, Family.MATCHED_ORDINAL})
_PROPORTIONAL: Final = frozenset({Family.ADJUSTED_PROPORTIONAL, Family.MATCHED_PROPORTIONAL})
_CONDITIONAL: Final = frozenset({Family.CONDITIONAL_LOGIT, Family.CONDITIONAL_ORDINAL})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One paper; `fields` are BibTeX's."""

    key: str
    type: str
    fields: Mapping[str, str]

    @property
    def short(self) -> str:
        """`Hansen and Klopfer 2006`."""
        authors = self.fields["author"].split(" and ")
        family = [name.partition(",")[0].strip("{}") for name in authors]
        named = f"{family[0]} et al." if len(family) > 2 else joined(family)
        return f"{named} {self.fields.get('year', '')}".strip()

    @property
    def text(self) -> str:
        """The entry of a short list of references; titles of papers stand in the BibTeX file."""
        it = self.fields
        journal = f"{it['journal']} {it['volume']}" if "journal" in it else it["title"]
        number = f"({it['number']})" if "number" in it else ""
        pages = it.get("pages", "").replace("--", "–")
        place = [f"{journal}{number}".replace("\\&", "&"), pages, it.get("publisher", "")]
        link = f"doi:{it['doi']}" if "doi" in it else it.get("url", "").removeprefix("https://")
        link = f"arXiv:{it['eprint']}" if "eprint" in it else link
        return ", ".join(part for part in (self.short, *place, link) if part)

    @property
    def bibtex(self) -> str:
        """The entry of a BibTeX file."""
        lines = [f"  {name} = {{{value}}}," for name, value in self.fields.items()]
        return "\n".join((f"@{self.type}{{{self.key},", *lines, "}"))


@cache
def references() -> dict[str, Reference]:
    """Every paper that a run may cite, by key."""
    from importlib.resources import files

    text = (files("coopgap.report") / "data" / "references.toml").read_text(encoding="utf-8")
    return {
        key: Reference(
            key=key,
            type=entry["type"],
            fields={name: str(value) for name, value in entry.items() if name != "type"},
        )
        for key, entry in tomllib.loads(text).items()
    }


@dataclass(frozen=True, kw_only=True)
class Used:
    """What a run did, told from its tables and its study."""

    results: Results

    @cached_property
    def families(self) -> frozenset[str]:
        """Families with a number, or with one withheld."""
        return frozenset(row.family for row in self.results.survey.gaps)

    @cached_property
    def quantities(self) -> frozenset[str]:
        """Quantities with a number."""
        return frozenset(r.quantity for r in self.results.survey.gaps if r.estimate is not None)

    @cached_property
    def populations(self) -> frozenset[str]:
        """Populations that a gap is standardised to."""
        return frozenset(row.population for row in self.results.survey.gaps)

    @cached_property
    def checks(self) -> frozenset[str]:
        """Checks that found something."""
        return frozenset(row.check for row in self.results.survey.sensitivity if row.quantity)

    @cached_property
    def diagnostics(self) -> frozenset[str]:
        """Diagnostics with a value."""
        rows = self.results.survey.diagnostics
        return frozenset(row.diagnostic for row in rows if row.value is not None)

    @cached_property
    def tests(self) -> frozenset[str]:
        """Tests of proportional odds with a value."""
        rows = self.results.survey.diagnostics
        return frozenset(row.test for row in rows if row.test and row.value is not None)

    @cached_property
    def std_errors(self) -> frozenset[str]:
        """Words of the kinds of standard errors: CR1, CR2, two-way, bias-reduced and so on."""
        kinds = {row.std_error_kind for row in self.results.survey.coefficients}
        return frozenset(word for kind in kinds for word in re.split(r"[ ,]+", kind))

    @cached_property
    def designs(self) -> tuple[Matching, ...]:
        """Matchings of the models and of their variants that were estimated."""
        ran = {
            (r.model, r.variant) for r in self.results.survey.sensitivity if r.check == "variant"
        }
        specs = [one.spec for one in self.results.answers if one.spec is not None]
        variants = [
            variant.spec
            for spec in specs
            for variant in spec.variants
            if (spec.name, variant.name) in ran
        ]
        return tuple(one.matching for one in (*specs, *variants) if one.matching.is_declared)

    @cached_property
    def methods(self) -> frozenset[str]:
        """Methods of matching, those of a multiverse that was run included."""
        axes = [one.spec.multiverse for one in self.results.answers if one.spec is not None]
        ran = Check.MULTIVERSE in self.checks
        more = {name for axis in axes if axis is not None and ran for name in axis.method}
        return frozenset({one.method for one in self.designs} | more)

    @cached_property
    def distances(self) -> frozenset[str]:
        """Distances that people were matched by."""
        return frozenset(
            one.distance for one in self.designs if one.method in ("nearest", "optimal", "full")
        )

    @property
    def is_sampled(self) -> bool:
        """Whether a hierarchical model was sampled."""
        return Family.HIERARCHICAL in self.families

    @property
    def has_band(self) -> bool:
        """Whether thresholds have limits that hold together."""
        return any(row.interval_kind == IntervalKind.JOINT for row in self.results.survey.gaps)

    @property
    def is_free(self) -> bool:
        """Whether a regression frees membership from proportional odds."""
        return any(r.form == "free" and r.family in _ORDINAL for r in self.results.survey.gaps)

    @property
    def has_holm(self) -> bool:
        """Whether p-values of the headlines are adjusted."""
        return any(row.p_adjusted is not None for row in self.results.survey.gaps)

    @cached_property
    def cited(self) -> dict[str, Reference]:
        """Papers to cite, by key."""
        return {key: references()[key] for key, applies in CITED.items() if applies(self)}


CITED: Final[dict[str, Callable[[Used], bool]]] = {
    "ho2007": lambda u: bool(u.designs),
    "iacus2012": lambda u: "exact" in u.methods,
    "hainmueller2012": lambda u: "entropy" in u.methods,
    "rubin1973": lambda u: "nearest" in u.methods,
    "rosenbaum1989": lambda u: "optimal" in u.methods,
    "hansen2006": lambda u: bool({"full", "optimal"} & u.methods),
    "zubizarreta2014": lambda u: "cardinality" in u.methods,
    "li2018": lambda u: "overlap" in u.methods,
    "rosenbaum1983": lambda u: "propensity" in u.distances or "overlap" in u.methods,
    "rubin1980": lambda u: bool(u.distances - {"propensity"}),
    "austin2011": lambda u: any(one.caliper is not None for one in u.designs),
    "austin2009": lambda u: bool(u.results.survey.balance),
    "kish1965": lambda u: bool(u.designs) or Check.DESIGN_EFFECT in u.checks,
    "mccullagh1980": lambda u: bool(_PROPORTIONAL & u.families),
    "peterson1990": lambda u: u.is_free,
    "brant1990": lambda u: OddsTest.BRANT in u.tests,
    "baetschmann2015": lambda u: bool(_CONDITIONAL & u.families),
    "robins1994": lambda u: Family.DOUBLY_ROBUST in u.families,
    "agresti2017": lambda u: Quantity.SUPERIORITY in u.quantities,
    "deming1940": lambda u: Population.POSTSTRATIFIED in u.populations,
    "park2004": lambda u: u.is_sampled and Population.POSTSTRATIFIED in u.populations,
    "firth1993": lambda u: "bias-reduced" in u.std_errors,
    "kosmidis2014": lambda u: "bias-reduced" in u.std_errors,
    "liang1986": lambda u: bool({"CR1", "CR1S"} & u.std_errors),
    "bell2002": lambda u: "CR2" in u.std_errors,
    "pustejovsky2018": lambda u: "CR2" in u.std_errors,
    "cameron2011": lambda u: "two-way" in u.std_errors,
    "abadie2022": lambda u: bool({"nearest", "optimal"} & u.methods),
    "kline2012": lambda u: Diagnostic.WILD_SCORE_P in u.diagnostics,
    "hothorn2008": lambda u: u.has_band,
    "holm1979": lambda u: u.has_holm,
    "benjamini1995": lambda u: Check.MULTIPLICITY in u.checks,
    "korn1990": lambda u: "group_gaps_equal" in u.diagnostics,
    "gelman2006": lambda u: "gap_difference" in u.quantities or Check.VARIANT in u.checks,
    "hoffman2014": lambda u: u.is_sampled,
    "nutpie": lambda u: u.is_sampled,
    "vehtari2021": lambda u: u.is_sampled,
    "vehtari2024": lambda u: u.is_sampled,
    "betancourt2016": lambda u: u.is_sampled,
    "martin2026": lambda u: u.is_sampled,
    "vehtari2017": lambda u: Check.LOO in u.checks,
    "kallioinen2024": lambda u: Check.POWER_SCALING in u.checks,
    "vanderweele2017": lambda u: Check.E_VALUE in u.checks,
    "rosenbaum1987": lambda u: Check.ROSENBAUM in u.checks,
    "cinelli2020": lambda u: Check.ROBUSTNESS_VALUE in u.checks,
    "lipsitch2010": lambda u: any(one.is_control for one in u.results.answers),
    "horowitz2000": lambda u: Check.MISSING_BOUNDS in u.checks,
    "imbens2004": lambda u: Check.MISSING_BOUNDS in u.checks,
    "rubin1987": lambda u: Check.MISSING_IMPUTATION in u.checks,
    "rao1984": lambda u: Check.PHONE_COMPOSITION in u.checks,
    "schuirmann1987": lambda u: Check.PHONE_EQUIVALENCE in u.checks,
    "duan2006": lambda u: Check.PHONE_POWER_PRIOR in u.checks,
    "schmidli2014": lambda u: Check.PHONE_ROBUST_MIXTURE in u.checks,
    "steegen2016": lambda u: Check.MULTIVERSE in u.checks,
    "simonsohn2020": lambda u: Check.MULTIVERSE in u.checks,
    "gelman2014": lambda u: Check.DESIGN_ANALYSIS in u.checks,
}
"""When each paper is cited; the methods paragraph says what for."""


def bibliography(results: Results) -> str:
    """The papers that a run used as BibTeX."""
    return (
        "".join(f"{one.bibtex}\n\n" for one in Used(results=results).cited.values()).rstrip() + "\n"
    )
