"""What every command does around its work: whole numbers; one line and exit 2, 130, 1."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Callable

from coopgap.errors import InputError

__all__ = ["at_least", "run_command"]

FAULT = 1
INPUT_ERROR = 2
INTERRUPTED = 130


def at_least(least: int) -> Callable[[str], int]:
    """Type of an argument: a whole number not below `least`."""

    def integer(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"{value} is below {least}")
        return value

    integer.__name__ = "whole number"
    return integer


def run_command(work: Callable[[], int]) -> int:
    """Do a command's work and turn what goes wrong into an exit code.

    Parameters
    ----------
    work
        Returns the exit code of a command that ends by itself.

    Returns
    -------
    int
        That code; 2 with one line on stderr where the input cannot be used; 130 where
        interrupted; 1 with the traceback for a fault of coopgap.
    """
    try:
        return work()
    except InputError as error:
        print(f"coopgap: {error}", file=sys.stderr)
        return INPUT_ERROR
    except KeyboardInterrupt:
        print("coopgap: interrupted; nothing was written", file=sys.stderr)
        return INTERRUPTED
    except Exception:  # noqa: BLE001 - the one place that turns a fault into exit 1
        traceback.print_exc()
        return FAULT
