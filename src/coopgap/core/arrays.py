"""Names for the array types that functions take and give."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

type FloatArray = NDArray[np.float64]
type IntArray = NDArray[np.int64]
type UintArray = NDArray[np.uint64]
type BoolArray = NDArray[np.bool_]
