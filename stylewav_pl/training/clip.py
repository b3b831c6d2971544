"""Trains the pocket CLIP model: drawn and generated faces against templated captions.

Three losses: matching images with captions (Radford et al. 2021, arXiv:2103.00020), where every caption that
is true of a face counts as a match; choosing the right phrase of each prompt set, which makes words like
"without" count; and the same choice made by a linear readout of the image embedding, thrown away at the end:
small things such as a smile are only found that way, because as long as neither images nor texts tell them
apart, neither learns from the other. All facts are known exactly because noise z determines them, for drawn
and for generated faces.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from open_clip.model import CLIP
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from stylewav_pl.embedders.openclip import build_pocket_clip, pocket_vocabulary
from stylewav_pl.embedders.preprocess import clip_preprocess, reference_preprocess
from stylewav_pl.generators import Generator, load_generator
from stylewav_pl.pocket.faces import (
    FACT_NAMES,
    PROMPT_SETS,
    TEMPLATES,
    WORDS,
    Z_DIM,
    attributes_of,
    caption,
    facts_of,
    fits,
    render,
)
from stylewav_pl.training.image_augmentation import augment
from stylewav_pl.weights.store import save_weights

IMAGE_SIZE = 64
CONFIG: dict[str, Any] = {
    "model": {
        "embed_dim": 512,
        "vision_cfg": {
            "image_size": IMAGE_SIZE,
            "patch_size": 8,
            "width": 128,
            "layers": 4,
            "head_width": 32,
        },
        "text_cfg": {"context_length": 32, "width": 128, "heads": 4, "layers": 3},
    },
    "words": list(WORDS),
}
REFERENCE_SHARE = (
    0.3  # of the images go through StyleCLIP's preprocessing, so that experiments may use either
)
CHOICE_WEIGHT = 2.0
READOUT_WEIGHT = 1.0
READOUT_SCALE = 20.0  # unit vectors are too short for a linear layer with usual weights
SCALE_LIMIT = 100.0
FACT_WEIGHTS = {"glasses": 2.0, "beard": 2.0, "moustache": 1.5}


@dataclass(frozen=True)
class Batch:
    """Faces of one step: augmented images in [-1, 1], their facts, and one caption each with what it states."""

    images: Float[Tensor, "face 3 size size"]
    facts: Int[Tensor, "face fact"]
    captions: tuple[str, ...]
    stated: Int[Tensor, "face fact"]

    def to(self, device: str) -> "Batch":
        """The batch on another device."""
        return replace(
            self, images=self.images.to(device), facts=self.facts.to(device), stated=self.stated.to(device)
        )


def train(
    output: Path,
    *,
    generator: str | Path | None = "pocket",
    steps: int = 1500,
    drawn_steps: int = 450,
    batch_size: int = 128,
    seed: int = 0,
    device: str = "cpu",
    threads: int = 2,
    resume: bool = True,
    save_every: int = 50,
    progress: bool = True,
) -> None:
    """Trains the CLIP model and writes its weights (float16).

    Args:
        output: The weight file; ``<output>.state`` beside it holds what is needed to go on after an
            interruption.
        generator: Whose outputs make half of the images after ``drawn_steps``; ``None`` for drawn faces only.
        steps: Optimiser steps; about 0.7 s each on two cores.
        drawn_steps: First steps with drawn faces only; the generator need not exist before they are done.
        batch_size: Images per step.
        seed: Decides on everything random; step ``i`` sees the same data however often the training was
            interrupted.
        device: Where to train; the faces are made on the CPU.
        threads: Processor cores to use.
        resume: Whether to go on from the state file if there is one.
        save_every: Steps between two state files.
        progress: Whether to show a progress bar.

    Raises:
        WeightsError: There is no such generator.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    source: Generator | None = None
    network = build_pocket_clip(CONFIG).train().to(device)
    readout = make_readout().to(device)
    optimisers = make_optimisers(network, readout)
    state = output.with_name(output.name + ".state")
    first = _restore(state, network, readout, optimisers) if resume and state.is_file() else 0
    bar = tqdm(range(first, steps), initial=first, total=steps, desc="CLIP", disable=not progress)
    for step in bar:
        if source is None and generator is not None and step >= drawn_steps:
            source = load_generator(generator)
        batch = make_batch(batch_size, seed, step, source).to(device)
        match, choice, read = step_losses(network, readout, batch, seed, step)
        _update(match + CHOICE_WEIGHT * choice + READOUT_WEIGHT * read, optimisers, rate_at(step, steps))
        with torch.no_grad():
            network.logit_scale.clamp_(max=float(torch.tensor(SCALE_LIMIT).log()))
        bar.set_postfix(match=f"{match.item():.3f}", choice=f"{choice.item():.3f}", read=f"{read.item():.3f}")
        if (step + 1) % save_every == 0:
            _keep(state, step + 1, network, readout, optimisers)
    save_weights(
        output,
        kind="image_text",
        architecture="openclip",
        config=CONFIG,
        tensors=network.state_dict(),
        dtype=torch.float16,
    )
    state.unlink(missing_ok=True)


def make_batch(size: int, seed: int, step: int, generator: Generator | None) -> Batch:
    """The faces of a step: half drawn, half generated where there is a generator."""
    rng = torch.Generator().manual_seed(seed * 1_000_003 + step)
    z = torch.randn(size, Z_DIM, generator=rng)
    drawn = size if generator is None else size // 2
    images = render(z[:drawn], IMAGE_SIZE)
    if generator is not None:
        images = torch.cat([images, generated(generator, z[drawn:], rng)])
    facts = facts_of(attributes_of(z))
    wording = Random(seed * 1_000_003 + step)
    captions = [caption(row, wording) for row in facts.tolist()]
    stated = torch.tensor([one.stated for one in captions])
    return Batch(augment(images, rng), facts, tuple(one.text for one in captions), stated)


@torch.no_grad()
def generated(
    generator: Generator, z: Float[Tensor, "face 64"], rng: torch.Generator
) -> Float[Tensor, "face 3 size size"]:
    """Outputs of the generator for latents near those of ``z``: optimised latents do not lie exactly where mapped ones do."""
    w = generator.map(z)
    strength = 0.25 * torch.rand(len(z), 1, generator=rng)
    images = generator.synthesize(w + strength * w.std(dim=0) * torch.randn(w.shape, generator=rng))
    return (
        images
        if images.shape[-1] == IMAGE_SIZE
        else F.interpolate(images, size=(IMAGE_SIZE, IMAGE_SIZE), mode="bilinear", antialias=True)
    )


def step_losses(
    network: CLIP, readout: nn.Linear, batch: Batch, seed: int, step: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The matching loss, the choice loss by prompts and the choice loss by the readout of one batch."""
    rng = Random(seed * 1_000_003 + step)
    prompts = {name: one.prompts(rng.choice(TEMPLATES)) for name, one in PROMPT_SETS.items()}
    texts = [*batch.captions, *(prompt for several in prompts.values() for prompt in several)]
    embedded = F.normalize(
        network.encode_text(pocket_vocabulary(CONFIG)(texts).to(batch.images.device)), dim=-1
    )
    images = F.normalize(network.encode_image(prepare(batch.images, rng)), dim=-1)
    logits = network.logit_scale.exp() * images @ embedded.T
    count = len(batch.captions)
    match = matching_loss(logits[:, :count], fits(batch.stated, batch.facts))
    return (
        match,
        choice_loss(logits[:, count:], batch.facts),
        choice_loss(readout(READOUT_SCALE * images), batch.facts),
    )


def prepare(images: Float[Tensor, "face 3 size size"], rng: Random) -> Float[Tensor, "face 3 size size"]:
    """Both preprocessings side by side: the first images as StyleCLIP, the others as CLIP, in an order that changes with the step."""
    order = torch.tensor(rng.sample(range(len(images)), len(images)))
    chosen = torch.zeros(len(images), dtype=torch.bool)
    chosen[order[: round(REFERENCE_SHARE * len(images))]] = True
    return torch.where(
        chosen.view(-1, 1, 1, 1).to(images.device),
        reference_preprocess(images, IMAGE_SIZE),
        clip_preprocess(images, IMAGE_SIZE),
    )


def matching_loss(
    logits: Float[Tensor, "face caption"], true: Bool[Tensor, "face caption"]
) -> Float[Tensor, ""]:
    """Cross-entropy in both directions where all true pairs share the target evenly.

    >>> round(float(matching_loss(torch.zeros(2, 2), torch.eye(2, dtype=torch.bool))), 4)  # log 2
    0.6931
    """
    share = true.to(logits.dtype)
    to_text = F.cross_entropy(logits, share / share.sum(dim=1, keepdim=True))
    to_image = F.cross_entropy(logits.T, share.T / share.T.sum(dim=1, keepdim=True))
    return 0.5 * (to_text + to_image)


def choice_loss(logits: Float[Tensor, "face prompt"], facts: Int[Tensor, "face fact"]) -> Float[Tensor, ""]:
    """Mean cross-entropy over the prompt sets; rare answers weigh more so that all answers of a set count alike."""
    parts = torch.split(logits, [len(one.phrases) for one in PROMPT_SETS.values()], dim=1)
    total, weights = logits.new_zeros(()), 0.0
    for part, one in zip(parts, PROMPT_SETS.values(), strict=True):
        index, clear = one.answers(facts)
        if clear.any():
            weight = FACT_WEIGHTS.get(one.fact, 1.0)
            total = total + weight * F.cross_entropy(
                part[clear], index[clear], weight=_rarity(one.fact).to(part)
            )
            weights += weight
    return total / max(weights, 1.0)


def make_readout() -> nn.Linear:
    """One score per phrase of all prompt sets, from an image embedding."""
    return nn.Linear(CONFIG["model"]["embed_dim"], sum(len(one.phrases) for one in PROMPT_SETS.values()))


def make_optimisers(network: CLIP, readout: nn.Linear) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """Muon (Jordan et al. 2024) for the matrices of the transformers, AdamW for all the rest."""
    matrices = [p for name, p in network.named_parameters() if p.dim() == 2 and "resblocks" in name]
    rest = [p for name, p in network.named_parameters() if not (p.dim() == 2 and "resblocks" in name)]
    muon = torch.optim.Muon(matrices, lr=6e-3, weight_decay=0.02, adjust_lr_fn="match_rms_adamw")
    adamw = torch.optim.AdamW([*rest, *readout.parameters()], lr=2e-3, betas=(0.9, 0.98), weight_decay=0.0)
    for optimiser in (muon, adamw):
        for group in optimiser.param_groups:
            group["peak"] = group["lr"]
    return muon, adamw


def rate_at(step: int, steps: int, warm_up: int = 30) -> float:
    """Share of the peak learning rate: a short rise, then a half cosine down to 0.

    >>> rate_at(0, 1000), round(rate_at(1000, 1000), 6)
    (0.03333333333333333, 0.0)
    """
    decay = 0.5 + 0.5 * float(torch.cos(torch.tensor(torch.pi * step / steps)))
    return min(1.0, (step + 1) / warm_up) * decay


_RARITY: dict[str, Tensor] = {}


def _rarity(fact: str) -> Float[Tensor, " value"]:
    """One weight per value of a fact, inverse to how often it is seen; mean weight of a face is 1."""
    if not _RARITY:
        z = torch.randn(20_000, Z_DIM, generator=torch.Generator().manual_seed(0))
        for name, column in zip(FACT_NAMES, facts_of(attributes_of(z)).T, strict=True):
            counts = torch.bincount(column[column >= 0]).float()
            _RARITY[name] = counts.sum() / (len(counts) * counts)
    return _RARITY[fact]


def _update(loss: Tensor, optimisers: tuple[torch.optim.Optimizer, ...], rate: float) -> None:
    for optimiser in optimisers:
        optimiser.zero_grad(set_to_none=True)
        for group in optimiser.param_groups:
            group["lr"] = rate * group["peak"]
    loss.backward()  # type: ignore[no-untyped-call]
    for optimiser in optimisers:
        optimiser.step()


def _keep(
    path: Path, step: int, network: CLIP, readout: nn.Linear, optimisers: tuple[torch.optim.Optimizer, ...]
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    optimised = [one.state_dict() for one in optimisers]
    torch.save(
        {
            "step": step,
            "network": network.state_dict(),
            "readout": readout.state_dict(),
            "optimisers": optimised,
        },
        partial,
    )
    partial.replace(path)


def _restore(
    path: Path, network: CLIP, readout: nn.Linear, optimisers: tuple[torch.optim.Optimizer, ...]
) -> int:
    kept: Mapping[str, Any] = torch.load(path, map_location=network.logit_scale.device, weights_only=True)
    network.load_state_dict(kept["network"])
    readout.load_state_dict(kept["readout"])
    for optimiser, state in zip(optimisers, kept["optimisers"], strict=True):
        optimiser.load_state_dict(state)
    return int(kept["step"])
