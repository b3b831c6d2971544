"""Commands in processes of their own, which find this package and the benchmarks' doubles."""

import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent


def timed(*words: str) -> tuple[float, str]:
    """Seconds that Python took for a command which must succeed, and what it printed.

    Raises:
        SystemExit: It failed; the end of its output tells why.
    """
    search = os.pathsep.join([str(HERE), str(HERE.parent.parent), os.environ.get("PYTHONPATH", "")])
    began = time.monotonic()
    ended = subprocess.run(
        [sys.executable, *words], env={**os.environ, "PYTHONPATH": search}, capture_output=True, text=True
    )
    if ended.returncode:
        raise SystemExit(
            f"{' '.join(words[:4])} ... ended with exit code "
            f"{ended.returncode}:\n{ended.stdout[-1500:]}{ended.stderr[-1500:]}"
        )
    return time.monotonic() - began, ended.stdout
