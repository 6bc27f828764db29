"""`python -m coopgap.schema`: the command `coopgap schema`."""

import sys
from functools import partial

from coopgap.app.cli import run

main = partial(run, "schema")

if __name__ == "__main__":
    sys.exit(main())
