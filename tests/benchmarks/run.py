"""Print how long the proportional-odds fit takes beside other programs: `python run.py [N ...]`."""

from __future__ import annotations

import argparse

from benchmark_ordinal import rows


def main() -> None:
    """Time and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="*", type=int, default=[2007, 20070])
    sizes = tuple(parser.parse_args().sizes)
    print(f"{'people':>10}  {'program':<14}{'seconds':>10}{'ratio':>9}")
    for n, program, seconds, ratio in rows(sizes):
        print(f"{n:>10,}  {program:<14}{seconds:>10.4f}{ratio:>9.1f}")


if __name__ == "__main__":
    main()
