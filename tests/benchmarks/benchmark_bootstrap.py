"""Seconds for the cluster bootstrap of the Peru-sized example: `python benchmark_bootstrap.py`."""

from __future__ import annotations

from benchmark_ordinal import cells_and_design, simulate
from judged import Judged, at_most, beside, main, timed

from coopgap.regression.bootstrap import bootstrap_margins
from coopgap.regression.sampled import Sampled
from coopgap.survey.cells import group_codes
from coopgap.survey.drawn import count_drawn

SECONDS, REPLICATES = 60.0, 10_000


def judge(people: int, replicates: int) -> list[Judged]:
    """Seconds of resamples of zones within regions beside what is asked of 10,000 replicates."""
    found = []
    cells, x = cells_and_design(simulate(people), "zone")
    region, zone = cells.codes[:, 1], cells.codes[:, -1]
    drawn = count_drawn(region, zone, None, refuse=lambda *told: ValueError(*told))
    sampled = Sampled(cluster=zone, stratum=region, drawn=drawn)
    data, more = (x, 0, x[:, 0], cells.counts, sampled), {"seed": 1, "replicates": replicates}
    for sets in (None, group_codes(list(cells.codes.T[1:-1]))[1]):
        made, seconds = timed(lambda sets=sets: bootstrap_margins(*data, sets=sets, **more))
        kind = "" if sets is None else ", matched anew in each"
        what = f"{replicates:,} resamples of zones, {people:,} people{kind}"
        found.append(at_most(what, seconds, SECONDS if replicates == REPLICATES else None, "s"))
        found.append(beside("  of which without an estimate", made.n_failed, ""))
    return found


if __name__ == "__main__":
    main(__doc__, judge, people=2007, replicates=REPLICATES)
