"""One start of a run: what it decides, how it begins, and how it ends."""
