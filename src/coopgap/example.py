"""`python -m coopgap.example`: the command `coopgap example`."""

import sys
from functools import partial

from coopgap.app.command import run_command
from coopgap.core.errors import OutputError

PRINTED_SIZE = 2007
Mode = Literal["calibrated", "free"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="coopgap example",
        description="Write the example survey: EXAMPLE DATA rebuilt from printed margins, "
        "with known true gaps. It is not a survey of Peru.",
    )
    parser.add_argument(
        "--out", required=True, metavar="FILE", help="ends in .csv, .parquet, .sav or .dta"
    )
    parser.add_argument(
        "--n", type=int, default=PRINTED_SIZE, help="people in person (default: 2007)"
    )
    parser.add_argument("--seed", type=int, metavar="N", help="default: the shipped example's")
    parser.add_argument(
        "--mode",
        choices=("calibrated", "free"),
        help="calibrated: printed totals exactly, for n = 2007 (default there); free: they vary",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    args = _parser().parse_args(argv)
    return run_command(lambda: _write(args))


def _write(args: argparse.Namespace) -> int:
    from coopgap.survey.example.make import SEED, make_example, write_example

    default: Mode = "calibrated" if args.n == PRINTED_SIZE else "free"
    mode: Mode = args.mode or default
    if mode == "calibrated" and args.n != PRINTED_SIZE:
        raise OutputError("--n", f"{args.n} in calibrated mode", f"allowed: {PRINTED_SIZE}")
    if args.n < 100:
        raise OutputError("--n", f"is {args.n}", "allowed: 100 or more")
    if args.seed is not None and args.seed < 0:
        raise OutputError("--seed", "is negative", "allowed: 0 or more")
    path = Path(args.out)
    example = make_example(args.n, seed=SEED if args.seed is None else args.seed, mode=mode)
    write_example(example.data, path)
    print(path)
    return 0


main = partial(run, "example")

if __name__ == "__main__":
    sys.exit(main())
