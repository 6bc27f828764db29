"""The printed margins that the calibrated example survey reproduces.

Source: What Difference Do Cooperatives Make? Peru (ICRG / OCDC), Tables 1 to 3, Figure 1 and the
section on social benefits. Shares of trust, trusted person and neighbours are printed in percent;
the counts are the nearest whole people of 1,004 and 1,003.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

N_MEMBER: Final = 1004
N_COMPARISON: Final = 1003
N_PHONE: Final = 250

# Table 1: 16-24, 25-34, 35-44, 45-54, 55-64, 65+; members, then non-members.
AGES: Final = ((80, 142, 183, 219, 185, 195), (183, 209, 213, 216, 113, 69))

# Table 2: male, female.
SEXES: Final = ((432, 572), (504, 499))

# Table 3 prints 4, 7, 40, 13 and 36 percent for both groups (Center, East, Lima, North, South).
REGIONS: Final = ((40, 70, 402, 131, 361), (40, 70, 401, 131, 361))

# Figure 1, members: 10, 22, 40, 26 and 2 percent of 1,004, lowest class first.
CLASSES_OF_MEMBERS: Final = (100, 221, 402, 261, 20)

# Members and non-members in the upper category: 40 and 27 percent agree that most people can be
# trusted; 81 and 73 have a trusted person; 61 and 62 could rely on neighbours.
TOP_SHARES: Final[Mapping[str, tuple[int, int]]] = {
    "trust": (402, 271),
    "trusted_person": (813, 732),
    "neighbours": (612, 622),
}
