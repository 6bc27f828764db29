"""`python -m coopgap.example`: the command `coopgap example`."""

import sys
from functools import partial

from coopgap.app.cli import run

main = partial(run, "example")

if __name__ == "__main__":
    sys.exit(main())
