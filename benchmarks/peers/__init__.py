"""Others who do the same work: what a good engineer writes in an afternoon, with the usual means and no traps left in.

They promise less: no lease, nobody who looks again where an outcome is unknown, nobody told.
"""
