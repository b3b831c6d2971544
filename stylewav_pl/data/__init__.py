"""Where clips come from and how they become batches."""

from stylewav_pl.data.base import ClipSource
from stylewav_pl.data.builtin import BuiltinVoices
from stylewav_pl.data.common_voice import CommonVoice
from stylewav_pl.data.folder import Files, Folder
from stylewav_pl.data.manifest import Manifest
from stylewav_pl.data.module import ClipDataModule
from stylewav_pl.data.populations import Population
from stylewav_pl.data.sample import Sample
from stylewav_pl.data.shards import Shards
from stylewav_pl.data.vggsound import VggSound
from stylewav_pl.data.window import Window

__all__ = [
    "BuiltinVoices",
    "ClipDataModule",
    "ClipSource",
    "CommonVoice",
    "Files",
    "Folder",
    "Manifest",
    "Population",
    "Sample",
    "Shards",
    "VggSound",
    "Window",
]
