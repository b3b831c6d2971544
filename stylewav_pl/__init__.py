"""A voice in, a face that sounds like it out, and statistics that say whether two groups of voices give different faces."""

__version__ = "0.1.0"
