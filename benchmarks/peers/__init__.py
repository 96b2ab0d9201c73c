"""Others who do the same work: what a good engineer writes in an afternoon, with the usual means and no traps left in.

They promise less: no lease, nobody who looks again where an outcome is unknown, nobody told; duplicates are judged by
keys alone, nothing is parked, and a value is taken to be as documented. The packages that those of intake need are in
the dependency group `bench`.
"""
