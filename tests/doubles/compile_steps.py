"""Everything about compiled steps that needs a compiler, in one process of its own: shape checks cannot be
compiled.

Run as a script in a folder with voices: ``python compile_steps.py FOLDER`` writes ``FOLDER/found.json``.
"""

import gc
import json
import shutil
import sys
from pathlib import Path

import torch
from lightning.pytorch import Callback, Trainer
from open_clip.model import CLIP
from torch._dynamo.utils import counters

from stylewav_pl.cli import main
from stylewav_pl.commands.collector import collect_seldom
from stylewav_pl.commands.trainer_settings import FORCED
from stylewav_pl.embedders.linear import LinearAudioEmbedder
from stylewav_pl.embedders.openclip import OpenClipEmbedder
from stylewav_pl.errors import ConfigError
from stylewav_pl.generators import StyleGAN2, frozen_convolution, upsampling
from stylewav_pl.module import StyleWav
from stylewav_pl.optimisation.hardware import Speed, check_compiler
from stylewav_pl.optimisation.latents import S, W
from stylewav_pl.optimisation.rendering import Renderer
from stylewav_pl.types import Clip, ClipBatch


class Kept(Callback):
    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.result = outputs["result"]


class Cohorts(list):
    pass


def networks():
    """Small ones of the true kinds: StyleGAN2, and CLIP that sees images as StyleCLIP shows them."""
    torch.manual_seed(0)
    generator = StyleGAN2({4: 8, 8: 6}, z_dim=6, w_dim=9, mapping_depth=2)
    vision = {"image_size": 32, "patch_size": 16, "width": 64, "layers": 1}
    text = {"context_length": 4, "vocab_size": 5, "width": 16, "heads": 2, "layers": 1}
    network = CLIP(embed_dim=16, vision_cfg=vision, text_cfg=text)
    guide = OpenClipEmbedder(network, lambda texts: torch.zeros(len(texts), 4, dtype=torch.long), "reference")
    return generator, guide, LinearAudioEmbedder()


def optimised(compile):
    space = S(to_rgb=False)
    model = StyleWav(
        *networks(), cohort_size=2, latent_space=space, num_steps=4, speed=Speed(compile=compile)
    )
    random = torch.Generator().manual_seed(1)
    waveforms = tuple(torch.rand(800, generator=random) - 0.5 for _ in range(2))
    kept = Kept()
    trainer = Trainer(accelerator="cpu", devices=1, logger=False, callbacks=[kept], **FORCED)
    trainer.fit(model, Cohorts([ClipBatch(0, (Clip("a", "a.wav"), Clip("b", "b.wav")), waveforms)]))
    return kept.result


def steps_of_one_cohort():
    eager, compiled = optimised(False), optimised(True)
    return {
        "eager": eager.curves.tolist(),
        "compiled": compiled.curves.tolist(),
        "latents_apart": (eager.latents - compiled.latents).abs().max().item(),
        "moved": (eager.latents - eager.latents.mean(dim=0)).abs().max().item(),
    }


def one_graph():
    """How far a step's image, similarity and gradient are from those of one that is not compiled.

    In the form for GPUs. An interruption of the compiled part would be an error.
    """
    generator, guide, _ = networks()
    starts = torch.randn(2, 9, generator=torch.Generator().manual_seed(2))
    targets = torch.nn.functional.normalize(torch.ones(2, 16), dim=1)
    found = []
    for compiles in (False, True):
        upsampling.joins = frozen_convolution.joins = lambda x, compiles=compiles: compiles
        generator.freeze()
        for layer in generator.convolutions:
            layer.freeze(fold=compiles)
        step = Renderer(generator, guide, W()).render_and_score
        if compiles:
            step = torch.compile(step, fullgraph=True, backend="aot_eager", dynamic=False)
        leaf = starts.clone().requires_grad_()
        images, _, similarities = step(leaf, targets)
        similarities.sum().backward()
        found.append((images, similarities, leaf.grad))
    return [((one - other).norm() / one.norm()).item() for one, other in zip(*found, strict=True)]


def latents(run):
    return [path.read_bytes().hex() for path in sorted((run / "latents").iterdir())]


def a_run(folder):
    """With compiled steps; and what a later start makes of it whose journal was lost."""
    run = folder / "run"
    words = ["fit", "--config", str(folder / "run.yaml"), "--run", str(run), "--model.speed.compile", "true"]
    graphs = counters["stats"]["unique_graphs"]
    codes, made = [main(words)], []
    made.append(latents(run))
    captured = counters["stats"]["unique_graphs"] - graphs
    shutil.rmtree(run / "journal")
    shutil.rmtree(run / "latents")
    codes.append(main(words))
    made.append(latents(run))
    return {"codes": codes, "latents": made, "graphs": captured}


if __name__ == "__main__":
    collect_seldom()  # what compiles makes millions of objects, and keeps them
    place = Path(sys.argv[1])
    torch.set_num_threads(1)
    try:
        check_compiler(torch.device("cpu"))
        found = {"cohort": steps_of_one_cohort(), "run": a_run(place), "one_graph": one_graph()}
    except ConfigError as obstacle:
        found = {"obstacle": str(obstacle)}
    (place / "found.json").write_text(json.dumps(found))
    gc.freeze()  # this process ends: it need not look for garbage once more
