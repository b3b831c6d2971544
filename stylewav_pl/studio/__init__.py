"""The page on which a voice is recorded and faces grow from it; needs the extra ``studio``."""
