"""Each process of the tests has a cache of compiled code of its own: numba's cannot be shared."""

from coopgap.core.executor import own_cache

own_cache()
