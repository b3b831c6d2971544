"""Imports that leave out what one face does not need."""

import subprocess
import sys

from stylewav_pl.commands.quick_imports import hidden

TEXT = """
import gc, sys
gc.disable()  # an import makes no garbage
from stylewav_pl.commands.quick_imports import import_open_clip
import_open_clip()
assert "open_clip" in sys.modules
print([name for name in sys.modules if name.partition(".")[0] == "wandb"])
import wandb
gc.freeze()  # nor does it look for any at its end
"""


def test_open_clip_is_imported_without_wandb_which_can_be_imported_later() -> None:
    ended = subprocess.run([sys.executable, "-c", TEXT], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


def test_what_is_loaded_already_stays() -> None:
    with hidden("subprocess"):
        import subprocess as found
    assert found is sys.modules["subprocess"] is subprocess
