"""Trains the pocket CLIP models, guide and judge: drawn and generated faces against templated captions.

Four losses: matching images with captions (Radford et al. 2021, arXiv:2103.00020), where every caption that
is true of a face counts as a match; choosing the right phrase of each prompt set, which makes words like
"without" count; the same choice made by a linear readout of the image embedding, thrown away at the end:
small things such as a smile are only found that way, because as long as neither images nor texts tell them
apart, neither learns from the other; and an even answer about sex for faces between the sexes.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Literal

import torch
from open_clip.model import CLIP
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from stylewav_pl.embedders.openclip import build_pocket_clip, pocket_vocabulary
from stylewav_pl.generators import load_generator
from stylewav_pl.pocket.faces import PROMPT_SETS, RESOLUTION, TEMPLATES, WORDS, fits
from stylewav_pl.training.clip_faces import Batch, Faces, drawn_faces, generated_faces, make_batch, prepare
from stylewav_pl.training.clip_losses import choice_loss, matching_loss, neutral_loss
from stylewav_pl.training.learning_rates import damped_cosine, set_rates
from stylewav_pl.training.loop import descend, keep_state, restore_state, run_steps
from stylewav_pl.weights.store import save_weights

Precision = Literal["float32", "bfloat16"]
CHOICE_WEIGHT = 2.0
READOUT_WEIGHT = 1.0
NEUTRAL_WEIGHT = 0.5
READOUT_SCALE = 20.0  # unit vectors are too short for a linear layer with usual weights
SCALE_LIMIT = 100.0


@dataclass(frozen=True)
class Recipe:
    """Which network, and how long and on what it is trained.

    Attributes:
        config: See :func:`~stylewav_pl.embedders.openclip.build_pocket_clip`.
        steps: Optimiser steps.
        drawn_steps: First steps with drawn faces only; the generator need not exist before they are done.
        batch_size: Images per step.
        drawn: How many faces are drawn.
        generated: How many are generated.
        split: Number of the share of all faces: recipes with different numbers never see the same face.
    """

    config: Mapping[str, Any]
    steps: int = 1500
    drawn_steps: int = 700
    batch_size: int = 128
    drawn: int = 16_000
    generated: int = 12_000
    split: int = 0

    @property
    def image_size(self) -> int:
        """Height and width in pixels of what the network sees."""
        return int(self.config["model"]["vision_cfg"]["image_size"])


GUIDE = Recipe(
    {
        "model": {
            "embed_dim": 512,
            "vision_cfg": {
                "image_size": RESOLUTION,
                "patch_size": 16,
                "width": 128,
                "layers": 4,
                "head_width": 32,
            },
            "text_cfg": {"context_length": 32, "width": 128, "heads": 4, "layers": 3},
        },
        "words": list(WORDS),
    }
)
# Convolutions instead of patches, another embedding, another text tower, other faces: what gradients exploit
# in the guide is not there in the judge.
JUDGE = Recipe(
    {
        "model": {
            "embed_dim": 256,
            "vision_cfg": {"image_size": RESOLUTION, "layers": [1, 2, 2, 1], "width": 16, "head_width": 64},
            "text_cfg": {"context_length": 32, "width": 96, "heads": 3, "layers": 2},
        },
        "words": list(WORDS),
    },
    split=1,
)


def train(
    output: Path,
    *,
    recipe: Recipe = GUIDE,
    generator: str | Path | None = "pocket",
    steps: int | None = None,
    seed: int = 0,
    device: str = "cpu",
    threads: int = 2,
    precision: Precision = "float32",
    resume: bool = True,
    save_every: int = 50,
    progress: bool = True,
) -> None:
    """Trains a CLIP model and writes its weights (float16).

    Args:
        output: The weight file; ``<output>.state`` beside it holds what is needed to go on after an
            interruption, ``<output>.drawn.npy`` and ``<output>.generated.npy`` the faces.
        recipe: Which network, and on what it is trained.
        generator: Whose outputs make half of the images after the first steps; ``None`` for drawn faces only.
        steps: Optimiser steps; by default those of the recipe.
        seed: Decides on everything random; step ``i`` sees the same data however often the training was
            interrupted.
        device: Where to train; the faces are made on the CPU.
        threads: Processor cores to use.
        precision: ``bfloat16`` is faster on processors and GPUs that have it in hardware, very slow on
            others.
        resume: Whether to go on from the state file if there is one.
        save_every: Steps between two state files.
        progress: Whether to show a progress bar.

    Raises:
        WeightsError: There is no such generator.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(seed + 7919 * recipe.split)
    steps = recipe.steps if steps is None else steps
    training = ClipTraining.begin(recipe, device, precision)
    beside = {
        name: output.with_name(f"{output.name}.{name}") for name in ("state", "drawn.npy", "generated.npy")
    }
    if not resume:
        for path in beside.values():
            path.unlink(missing_ok=True)
    first = restore_state(training, beside["state"]) if beside["state"].is_file() else 0
    faces_seed = 2 * (seed + 104_729 * recipe.split)
    drawn = drawn_faces(beside["drawn.npy"], recipe.drawn, recipe.image_size, faces_seed)
    made: Faces | None = None

    def step(number: int) -> dict[str, float]:
        nonlocal made
        if made is None and generator is not None and number >= recipe.drawn_steps:
            source = load_generator(generator)
            count, size = recipe.generated, recipe.image_size
            made = generated_faces(beside["generated.npy"], count, size, faces_seed + 1, source)
        batch = make_batch(recipe.batch_size, seed, number, drawn, made).to(device)
        return training.step(batch, seed, number, damped_cosine(number, steps))

    run_steps(
        step,
        lambda done: keep_state(training, beside["state"], done),
        steps=range(first, steps),
        save_every=save_every,
        name="CLIP",
        progress=progress,
    )
    save_weights(
        output,
        kind="image_text",
        architecture="openclip",
        config=recipe.config,
        tensors=training.network.state_dict(),
        dtype=torch.float16,
    )
    for path in beside.values():
        path.unlink(missing_ok=True)


@dataclass
class ClipTraining:
    """What changes while a model learns: the network, the readout that is thrown away, and the optimisers."""

    recipe: Recipe
    network: CLIP
    readout: nn.Linear
    optimisers: tuple[torch.optim.Optimizer, ...]
    precision: Precision = "float32"

    @classmethod
    def begin(cls, recipe: Recipe, device: str = "cpu", precision: Precision = "float32") -> "ClipTraining":
        """Returns the untrained network and all that goes with it."""
        network = build_pocket_clip(recipe.config).train().to(device)
        network.visual.to(memory_format=torch.channels_last)  # the layout in which convolutions are fastest
        phrases = sum(len(one.phrases) for one in PROMPT_SETS.values())
        readout = nn.Linear(recipe.config["model"]["embed_dim"], phrases).to(device)
        return cls(recipe, network, readout, make_optimisers(network, readout), precision)

    def step(self, batch: Batch, seed: int, step: int, rate: float) -> dict[str, float]:
        """Learns from one batch; returns its losses."""
        losses = self.losses(batch, seed, step)
        weights = {"choice": CHOICE_WEIGHT, "read": READOUT_WEIGHT, "neutral": NEUTRAL_WEIGHT}
        total = torch.stack([weights.get(name, 1.0) * loss for name, loss in losses.items()]).sum()
        set_rates(self.optimisers, rate)
        descend(self.optimisers, total)
        with torch.no_grad():
            self.network.logit_scale.clamp_(max=float(torch.tensor(SCALE_LIMIT).log()))
        return {name: loss.item() for name, loss in losses.items()}

    def losses(self, batch: Batch, seed: int, step: int) -> dict[str, Tensor]:
        """Returns the losses of one batch: matching, choice by prompts and by the readout, neutrality."""
        rng = Random(seed * 1_000_003 + step)
        prompts = {name: one.prompts(rng.choice(TEMPLATES)) for name, one in PROMPT_SETS.items()}
        texts = [*batch.captions, *(prompt for several in prompts.values() for prompt in several)]
        ids = pocket_vocabulary(self.recipe.config)(texts).to(batch.images.device)
        prepared = prepare(batch.images, self.recipe.image_size, rng)
        # Sixty-five tokens are too few for the fused kernel: its backward pass takes half of a step on
        # processors.
        with self._fast(batch.images.device.type), sdpa_kernel(SDPBackend.MATH):
            text, image = self.network.encode_text(ids), self.network.encode_image(prepared)
        embedded, images = F.normalize(text.float(), dim=-1), F.normalize(image.float(), dim=-1)
        logits = self.network.logit_scale.exp() * images @ embedded.T
        count = len(batch.captions)
        return {
            "match": matching_loss(logits[:, :count], fits(batch.stated, batch.facts)),
            "choice": choice_loss(logits[:, count:], batch.facts),
            "read": choice_loss(self.readout(READOUT_SCALE * images), batch.facts),
            "neutral": neutral_loss(logits[:, count:], batch.facts),
        }

    def _fast(self, device: str) -> AbstractContextManager[None]:
        return torch.autocast(device, torch.bfloat16, enabled=self.precision == "bfloat16")

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The model, and the readout that is thrown away."""
        return {"network": self.network, "readout": self.readout}


def make_optimisers(network: CLIP, readout: nn.Linear) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """Returns Muon (Jordan et al. 2024) for the matrices of the transformers, AdamW for all the rest."""
    matrices = [p for name, p in network.named_parameters() if p.dim() == 2 and "resblocks" in name]
    rest = [p for name, p in network.named_parameters() if not (p.dim() == 2 and "resblocks" in name)]
    muon = torch.optim.Muon(matrices, lr=6e-3, weight_decay=0.02, adjust_lr_fn="match_rms_adamw")
    adamw = torch.optim.AdamW([*rest, *readout.parameters()], lr=2e-3, betas=(0.9, 0.98), weight_decay=0.0)
    return muon, adamw
