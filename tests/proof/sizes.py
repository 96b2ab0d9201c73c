"""How much of the proof runs: all of it, or a sample that takes seconds."""

import os

FULL = os.environ.get("PROOF_SIZE") == "full"
SEED = int(os.environ.get("PROOF_SEED", "1"))
# `behaviour/5:die-after,3:stall-before`: this one history, and no other.
ONLY = os.environ.get("PROOF_HISTORY", "")
