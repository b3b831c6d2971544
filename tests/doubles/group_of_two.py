"""What each of two processes that share a group does with its own clips."""

import json
from pathlib import Path

import torch
from torch import distributed

from stylewav_pl.evaluation.population_score import PopulationScore


def answer(folder: Path, rank: int) -> None:
    """Joins the group, and writes down the means of all clips and of its own."""
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    try:
        clips = torch.load(folder / f"rank-{rank}.pt", weights_only=True)
        shared, own = PopulationScore(3, 3), PopulationScore(3, 3, sync_on_compute=False)
        for metric in (shared, own):
            metric.update(clips["scores"], clips["members"])
        answers = {"shared": shared.compute().tolist(), "own": own.compute().tolist()}
        (folder / f"rank-{rank}.json").write_text(json.dumps(answers))
    finally:
        distributed.destroy_process_group()
