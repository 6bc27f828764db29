"""The calibration of departments: 12 in 4 regions, nobody in one, no member in another, an area.

    python -m tests.calibration.departments --out FOLDER

makes 500 replicates and writes the committed summary; what FOLDER holds already is kept.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from coopgap.bayes.cells import Departments, HierarchicalCells, hierarchical_cells
from coopgap.bayes.layout import Form, Priors
from coopgap.calibration.replicate import Setup
from coopgap.calibration.run import read_replicates, run_replicates
from coopgap.calibration.summary import RankRow, summarise, to_frame
from coopgap.core.progress import silent
from coopgap.survey.records import ModelRows

HERE = Path(__file__).parent
SIMS = 500
REGIONS = ("A", "B", "C", "D")
REGION_OF = np.repeat(np.arange(4), 3)
NAMES = tuple(f"{REGIONS[r]}{1 + k % 3}" for k, r in enumerate(REGION_OF))
EMPTY, MEMBERLESS = NAMES.index("B3"), NAMES.index("D3")
POVERTY = np.array([4.0, 9, 2, 7, 3, 8, 1, 6, 5, 9, 2, 6])


def department_survey(people: int = 10) -> HierarchicalCells:
    """As many people of each sex and group in each department, but for the two without."""
    grid = np.meshgrid(np.arange(12), [0, 1], [0, 1], np.arange(people), indexing="ij")
    department, sex, member, _ = (axis.ravel() for axis in grid)
    keep = (department != EMPTY) & ~((department == MEMBERLESS) & (member == 1))
    department, sex, member = department[keep], sex[keep], member[keep]
    rows = ModelRows(
        index=np.arange(department.size),
        outcome=np.zeros(department.size, dtype=np.int64),
        levels=("low", "mid", "high"),
        member=member == 1,
        factors={"region": REGION_OF[department], "department": department, "sex": sex},
        factor_levels={"region": REGIONS, "department": NAMES, "sex": ("male", "female")},
        zone=None,
        weight=np.ones(department.size),
        dropped=(),
    )
    known = Departments(variable="department", region=REGION_OF, area={"poverty": POVERTY})
    return hierarchical_cells(rows, ("sex",), "region", zones=False, departments=known)


def department_setup() -> Setup:
    return Setup(
        cells=department_survey(),
        priors=Priors(),
        fitted=Priors(),
        form=Form(zones=False),
        draws=500,
        tune=500,
        target_accept=0.95,
        seed=19,
    )


def calibrated_rows(folder: Path, sims: int, jobs: int) -> list[RankRow]:
    """The summary of as many replicates, made where the folder lacks them."""
    setup = department_setup()
    run_replicates(folder, setup, sims, jobs=jobs, scheduler=None, notify=silent)
    return summarise(read_replicates(folder, sims), setup, "invented", "departments")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sims", type=int, default=SIMS)
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    rows = calibrated_rows(options.out, options.sims, options.jobs)
    to_frame(rows).to_csv(HERE / "invented-departments.csv", index=False)
    return 0 if all(row.inside_999 for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
