"""A voice in, a face that sounds like it out.

And statistics that say whether two groups of voices give different faces.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stylewav_pl.face import Face as Face
    from stylewav_pl.face import generate as generate

__version__ = "0.1.0"
__all__ = ["Face", "__version__", "generate"]


def __getattr__(name: str) -> Any:
    """Imports the public names at their first use: what they need takes seconds to load."""
    if name in ("Face", "generate"):
        from stylewav_pl import face

        return getattr(face, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
