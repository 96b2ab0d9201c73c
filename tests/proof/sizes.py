"""How much of the proof runs: all of it, or a sample that takes seconds."""

import os

SIZE = os.environ.get("PROOF_SIZE", "sample")
# Death before and after every operation.
FULL = SIZE != "sample"
SEED = int(os.environ.get("PROOF_SEED", "1"))
# One history, and no other: `behaviour/5:die-after,3:stall-before`, or `random/17`, where `random/17/80/-keys-late`
# is its first 80 ticks, without refused keys and late requests.
ONLY = os.environ.get("PROOF_HISTORY", "")

# Places where each behaviour is struck in other ways than by death, drawn from all; None: all of them.
OTHERWISE = {"sample": 2, "ci": 5, "full": 30, "soak": None}[SIZE]

# So many histories with a strike the whole of the proof runs at least; the sample stands for none.
LEAST = {"sample": 0, "ci": 2_500, "full": 2_500, "soak": 2_500}[SIZE]

# Random histories: hundreds of lives each, so few in the sample; the soak is for a night.
RANDOM_HISTORIES = {"sample": 20, "ci": 100, "full": 2_000, "soak": 100_000}[SIZE]
