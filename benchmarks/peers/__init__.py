"""What a good engineer writes in an afternoon, each a process: read the topic, store the payments in our tables.

What they leave out is theirs to leave out: they judge no duplicates but by keys, park nothing, keep no history, and
take a value to be as documented. The packages that they need are in the dependency group `bench`.
"""

import django

django.setup()
