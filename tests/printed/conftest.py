"""The shipped registry of Peru, analysed once; registries of a few lines."""

import pytest

from coopgap.datasets.registry import Registry, read_registry
from coopgap.printed.rows import printed_rows

HEAD = "id,source,group,item,category,stat,value,base_n,note,name,rank,role,against,same_as,"
COLUMNS = f"{HEAD}apart_from,called"


@pytest.fixture(scope="session")
def peru():
    return printed_rows("peru")


@pytest.fixture(scope="session")
def registry():
    """Make a registry of lines without ids, X0 and so on, whose last columns may be left out."""

    def make(*lines):
        width = COLUMNS.count(",")
        rows = (f"X{k},{line}" for k, line in enumerate(lines))
        text = "\n".join([COLUMNS, *(row + "," * (width - _commas(row)) for row in rows)])
        return Registry(name="own", rows=read_registry("own.csv", f"{text}\n".encode()))

    return make


def _commas(line):
    return sum(part.count(",") for part in line.split('"')[::2])
