"""The architecture of FFHQ at 1024 px, with random weights, in a process of its own whose memory is
measured."""

import subprocess
import sys
from pathlib import Path

import pytest
from published_stylegan2 import write_ada
from slow_stylegan2 import random_values

CHANNELS = [512, 512, 512, 512, 512, 256, 128, 64, 32]
GIGABYTE = 1024**3
STEP = """
import gc, resource, sys
gc.disable()  # an import makes no garbage
import torch
from stylewav_pl.generators import load_generator
gc.freeze()
gc.enable()

generator = load_generator(sys.argv[1])
assert (generator.resolution, generator.num_ws, generator.w_dim) == (1024, 18, 512)
w = generator.w_mean[None].clone().requires_grad_()
image = generator.synthesize(w)
image.square().mean().backward()
assert image.shape == (1, 3, 1024, 1024) and image.isfinite().all()
assert w.grad.isfinite().all() and w.grad.abs().max() > 0
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_step_at_1024_px_needs_less_than_8_gigabytes(tmp_path: Path) -> None:
    path = tmp_path / "ffhq.pkl"
    write_ada(path, random_values(CHANNELS, z=512, w=512, depth=8))
    done = subprocess.run(
        [sys.executable, "-c", STEP, str(path)], capture_output=True, text=True, timeout=1100
    )
    assert done.returncode == 0, done.stderr
    peak = int(done.stdout) / GIGABYTE
    assert 1 < peak < 8  # 4 were seen
