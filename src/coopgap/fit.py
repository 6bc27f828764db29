"""`python -m coopgap.fit`: the command `coopgap fit`."""

import sys
from functools import partial

from coopgap.app.cli import run

main = partial(run, "fit")

if __name__ == "__main__":
    sys.exit(main())
