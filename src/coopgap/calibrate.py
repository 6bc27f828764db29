"""`python -m coopgap.calibrate`: the command `coopgap calibrate`."""

import sys
from functools import partial

from coopgap.app.cli import run

main = partial(run, "calibrate")

if __name__ == "__main__":
    sys.exit(main())
