"""`python -m coopgap.describe`: the command `coopgap describe`."""

import sys
from functools import partial

from coopgap.app.cli import run

main = partial(run, "describe")

if __name__ == "__main__":
    sys.exit(main())
