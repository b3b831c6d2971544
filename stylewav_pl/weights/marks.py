"""How weight files begin. Imports nothing: fetching a file needs no torch."""

ZIP_START = b"PK\x03\x04"
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_START = b"\x80\x02\x8a\x0a" + LEGACY_MAGIC.to_bytes(10, "little")
"""How every torch file begins that is no zip archive: a pickle of protocol 2 with one long integer."""
