"""More steps never leave what the generator has learned."""

import pytest
import torch

from stylewav_pl.embedders.linear import LinearAudioEmbedder, LinearImageTextEmbedder
from stylewav_pl.errors import ConfigError
from stylewav_pl.generators import load_generator
from stylewav_pl.generators.linear import LinearGenerator
from stylewav_pl.module import StyleWav
from stylewav_pl.optimisation.latents import LatentSpace, S, W, WPlus
from stylewav_pl.optimisation.reach import Reach, principal_directions
from stylewav_pl.optimisation.start import Start
from stylewav_pl.types import Clip, ClipBatch, CohortResult


def test_the_directions_are_those_of_the_samples() -> None:
    generator = load_generator("pocket")
    deviations, directions = principal_directions(generator)
    torch.testing.assert_close(directions.T @ directions, torch.eye(generator.w_dim), atol=1e-4, rtol=0)
    with torch.no_grad():
        w = generator.map(torch.randn(4000, generator.z_dim, generator=torch.Generator().manual_seed(1)))
    along = ((w - w.mean(dim=0)) @ directions).std(dim=0)
    largest = deviations.topk(20).indices
    torch.testing.assert_close(along[largest], deviations[largest], atol=0, rtol=0.1)


@pytest.mark.parametrize("space", [W(), WPlus()])
def test_what_is_inside_stays_and_what_is_outside_comes_back(space: LatentSpace) -> None:
    generator = LinearGenerator()
    reach = Reach(0.5, space, generator)
    deviations, directions = principal_directions(generator)
    starts = torch.randn(3, *space.start(generator).shape, generator=torch.Generator().manual_seed(2))
    moves = torch.stack([0.4 * deviations, 2.0 * deviations, -3.0 * deviations]) @ directions.T
    moves = moves.reshape(3, *(1 for _ in starts.shape[2:]), generator.w_dim)
    latents = starts + moves
    reach.keep(latents, starts)
    expected = torch.stack([0.4 * deviations, 0.5 * deviations, -0.5 * deviations])
    found = (latents - starts) @ directions
    torch.testing.assert_close(found, expected.reshape(moves.shape).expand_as(found), atol=1e-4, rtol=1e-4)


def optimized(reach: float | None, steps: int, cohort: int = 2, **settings) -> tuple[StyleWav, CohortResult]:
    module = StyleWav(
        LinearGenerator(), LinearImageTextEmbedder(), LinearAudioEmbedder(), cohort, num_steps=steps,
        start=Start(truncation=1.0), reach=reach, **settings,
    )  # fmt: skip
    optimizer = module.configure_optimizers()

    def descend(loss: torch.Tensor) -> None:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    waves = tuple(torch.randn(800, generator=torch.Generator().manual_seed(seed)) for seed in range(cohort))
    batch = ClipBatch(0, tuple(Clip(f"v{place}", "") for place in range(cohort)), waves)
    return module, module.optimize(batch, optimizer, descend)


def test_a_hundred_steps_stay_within_reach_and_come_nearer() -> None:
    start = optimized(None, 0 + 1)[1].curves[:, 0]
    module, result = optimized(0.5, 100)
    deviations, directions = principal_directions(module.generator)
    clips = ClipBatch(0, tuple(result.clips), ())
    begun = module.initial_latents(result.seeds, torch.zeros(2, module.guide.embed_dim), clips)
    along = ((result.latents - begun) @ directions).abs()
    assert (along <= 0.5 * deviations + 1e-5).all()
    assert (result.curves[:, -1] > start).all()
    free = optimized(None, 100)[1]
    assert (((free.latents - begun) @ directions).abs() > 0.5 * deviations + 1e-3).any()


def test_a_clip_does_not_depend_on_its_company() -> None:
    together, alone = optimized(0.3, 5)[1], optimized(0.3, 5, cohort=1)[1]
    torch.testing.assert_close(together.latents[0], alone.latents[0], atol=1e-4, rtol=1e-4)


def test_contradictions_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"model\.reach.*S\. Choose W or WPlus"):
        optimized(0.5, 1, latent_space=S())
    for wrong in (0.0, -1.0, float("nan")):
        with pytest.raises(ConfigError, match=r"model\.reach"):
            optimized(wrong, 1)
