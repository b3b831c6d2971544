"""``python -m stylewav_pl``: the command ``stylewav-pl`` of this Python."""

import sys

from stylewav_pl.entry import main

if __name__ == "__main__":
    sys.exit(main())
