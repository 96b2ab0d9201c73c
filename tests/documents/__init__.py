"""The documents, carried out: every command block is run, by a rule (`ways`), on real services."""
