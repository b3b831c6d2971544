"""A prior: from vectors of CLIP space to w, and what it belongs to."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from stylewav_pl.embedders import load_audio_embedder
from stylewav_pl.embedders.linear import LinearAudioEmbedder, LinearImageTextEmbedder
from stylewav_pl.errors import ConfigError, WeightsError
from stylewav_pl.generators import load_generator
from stylewav_pl.generators.linear import LinearGenerator
from stylewav_pl.module import StyleWav
from stylewav_pl.optimisation.prior_start import Sources, prepare_prior
from stylewav_pl.optimisation.start import Start, sample_noise
from stylewav_pl.optimisation.voice_mean import mean_target, voice_directions, voice_targets
from stylewav_pl.priors import Belongings, FlowNetwork, Prior, load_prior, save_prior
from stylewav_pl.priors.prior import SHARES
from stylewav_pl.runs.plan import clip_seed
from stylewav_pl.types import Clip, ClipBatch
from stylewav_pl.weights.digest import sha256_of
from stylewav_pl.weights.registry import resolve
from stylewav_pl.weights.store import read_weights, save_weights


def prior(embed: int, latent: int, **belongings) -> Prior:
    torch.manual_seed(0)
    made = Prior(
        FlowNetwork(embed, latent, width=16, blocks=2, hidden=24, frequencies=4),
        Belongings(**{"generator": "g", "guide": "c", **belongings}),
        questions=(2, 3),
    )
    made.words.copy_(F.normalize(torch.randn(5, embed, generator=torch.Generator().manual_seed(1)), dim=1))
    made.w_mean.normal_()
    made.w_scale.copy_(torch.randn(latent, latent).tril())
    made.image_mean.copy_(0.3 * torch.randn(embed))
    return made


def slow_sample(made: Prior, target: torch.Tensor, noise: torch.Tensor, steps: int) -> torch.Tensor:
    """Euler's method for one target, layer by layer, in float64."""
    state = {name: value.double() for name, value in made.state_dict().items()}

    def linear(x: torch.Tensor, name: str) -> torch.Tensor:
        return state[f"network.{name}.weight"] @ x + state[f"network.{name}.bias"]

    asked = target.double() + made.shift.double()
    asked = asked / asked.square().sum().sqrt() * len(target) ** 0.5
    x = noise.double()
    for step in range(steps):
        angle = 2 * torch.pi * (step / steps) * state["network.frequencies"]
        h = linear(torch.cat([asked, x, torch.sin(angle), torch.cos(angle)]), "enter")
        for block in ("blocks.0", "blocks.1"):
            centred = h - h.mean()
            normal = centred / (centred.square().mean() + 1e-5).sqrt()
            normal = normal * state[f"network.{block}.norm.weight"] + state[f"network.{block}.norm.bias"]
            wide = linear(normal, f"{block}.widen")
            h = h + linear(wide / (1 + torch.exp(-wide)), f"{block}.narrow")
        x = x + linear(h, "leave") / steps
    return state["w_mean"] + state["w_scale"] @ x


def test_samples_follow_the_flow_from_the_moved_target() -> None:
    made = prior(6, 5)
    made.hear(torch.randn(6))
    targets, noise = F.normalize(torch.randn(3, 6), dim=1), torch.randn(3, 5)
    found = made.sample(targets, noise, steps=4)
    expected = [slow_sample(made, *row, steps=4) for row in zip(targets, noise, strict=True)]
    torch.testing.assert_close(found.double(), torch.stack(expected), rtol=1e-4, atol=1e-4)


def test_a_file_keeps_everything_and_nothing_learns(tmp_path: Path) -> None:
    made = prior(6, 5, ears=("e1", "e2"))
    made.ear_means.normal_()
    save_prior(tmp_path / "prior.safetensors", made)
    read = load_prior(tmp_path / "prior.safetensors")
    assert read.questions == (2, 3)
    assert read.belongings == made.belongings and read.network.config == made.network.config
    for name, value in made.state_dict().items():
        torch.testing.assert_close(read.state_dict()[name], value, rtol=1e-3, atol=1e-3)
    assert not any(parameter.requires_grad for parameter in read.parameters())


def damaged(path: Path, **changes) -> Path:
    file = read_weights(path, "prior")
    config, tensors = {**file.config, **changes.pop("config", {})}, {**file.tensors, **changes}
    save_weights(path, kind="prior", architecture=file.architecture, config=config, tensors=tensors)
    return path


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"w_mean": torch.full((5,), torch.nan)}, "not finite in w_mean"),
        ({"w_mean": torch.zeros(4)}, "do not make one prior"),
        (
            {"config": {"network": {"blocks": 10**9, "embed_dim": 6, "latent_dim": 5}}},
            "do not make one prior",
        ),
        ({"config": {"held": 10**9}}, "do not make one prior"),
        ({"config": {"questions": [10**9]}}, "do not make one prior"),
        ({"config": {"questions": [6, -1]}}, "do not make one prior"),
        ({"config": {"questions": 5}}, "do not make one prior"),
        ({"config": {"generator_sha256": None, "ears_sha256": 3}}, "do not make one prior"),
    ],
)
def test_damaged_files_are_refused(changes: dict, words: str, tmp_path: Path) -> None:
    save_prior(tmp_path / "prior.safetensors", prior(6, 5))
    with pytest.raises(WeightsError, match=words):
        load_prior(damaged(tmp_path / "prior.safetensors", **changes))


def test_a_file_of_before_there_were_questions_is_called_old_and_not_damaged(tmp_path: Path) -> None:
    path = tmp_path / "prior.safetensors"
    save_prior(path, prior(6, 5))
    file = read_weights(path, "prior")
    config = {name: value for name, value in file.config.items() if name != "questions"}
    tensors = {name: value for name, value in file.tensors.items() if name != "words"}
    save_weights(path, kind="prior", architecture=file.architecture, config=config, tensors=tensors)
    with pytest.raises(WeightsError, match=r"an earlier version: it does not say questions\. Train it again"):
        load_prior(path)


def test_files_of_another_kind_are_refused() -> None:
    with pytest.raises(WeightsError, match="kind 'generator', but 'prior' is needed"):
        load_prior(resolve("pocket", "generator"))


@pytest.fixture(scope="module")
def pocket_prior(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained one that says that it belongs to the pocket networks."""
    path = tmp_path_factory.mktemp("prior") / "prior.safetensors"
    hashes = {
        "generator": sha256_of(resolve("pocket", "generator")),
        "guide": sha256_of(resolve("pocket", "image_text")),
    }
    embed, latent = load_audio_embedder("pocket").embed_dim, load_generator("pocket").w_dim
    save_prior(
        path, prior(embed, latent, **hashes, ears=("somebody's", sha256_of(resolve("pocket", "audio"))))
    )
    return path


def test_a_prior_of_other_networks_is_refused(pocket_prior: Path, tmp_path: Path) -> None:
    audio = load_audio_embedder("pocket")
    sources = Sources("pocket", "pocket", "pocket")
    prepare_prior(pocket_prior, sources, audio)
    copy = tmp_path / "other.safetensors"
    copy.write_bytes(resolve("pocket", "generator").read_bytes() + b" ")
    with pytest.raises(
        ConfigError, match=r"made for another generator: expected .* found .*pocket train prior"
    ):
        prepare_prior(pocket_prior, replace(sources, generator=str(copy)), audio)
    with pytest.raises(ConfigError, match="made for another guide"):
        prepare_prior(pocket_prior, replace(sources, guide=str(copy)), audio)
    with pytest.raises(ConfigError, match="another preprocess: expected clip, found reference"):
        prepare_prior(pocket_prior, replace(sources, preprocess="reference"), audio)


def test_the_mean_of_a_known_ear_is_read_and_of_another_one_found(pocket_prior: Path) -> None:
    audio = load_audio_embedder("pocket")
    known = prepare_prior(pocket_prior, Sources("pocket", "pocket", "pocket"), audio)
    torch.testing.assert_close(known.shift, known.image_mean - known.ear_means[1])
    found = prepare_prior(pocket_prior, Sources("pocket", "pocket", audio), audio)
    heard = voice_targets(audio)
    mean = mean_target(heard)
    torch.testing.assert_close(found.shift, found.image_mean - mean)
    torch.testing.assert_close(found.directions, voice_directions(heard, 2))
    torch.testing.assert_close(found.directions @ found.directions.T, torch.eye(2), atol=1e-4, rtol=0)
    assert 0.05 < mean.norm() < 1


def wired(start: Start, **settings) -> StyleWav:
    guide, generator = LinearImageTextEmbedder(), LinearGenerator()
    made = prior(guide.embed_dim, generator.w_dim) if start.prior else None
    return StyleWav(
        generator, guide, LinearAudioEmbedder(), start=start, prior=made, **{"cohort_size": 3, **settings}
    )


def of_clips(*ids: str | None) -> ClipBatch:
    waves = {id: torch.randn(800, generator=torch.Generator().manual_seed(len(id))) * 0.1 for id in ids if id}
    return ClipBatch(0, tuple(Clip(id, id) if id else None for id in ids), tuple(waves.values()))


def optimized(module: StyleWav, batch: ClipBatch):
    optimizer = module.configure_optimizers()

    def descend(loss: torch.Tensor) -> None:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return module.optimize(batch, optimizer, descend)


def test_without_a_step_the_prior_is_the_face() -> None:
    module = wired(Start(prior="made above", draws=1), num_steps=0, seed=4)
    result = optimized(module, of_clips("a", None, "bb"))
    assert result.curves.shape == (2, 1)
    for row, id in enumerate(("a", "bb")):
        noise = sample_noise(clip_seed(4, id), 1, module.generator.w_dim)
        expected = module.prior.sample(result.targets[row : row + 1], noise)
        torch.testing.assert_close(result.latents[row], expected[0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(result.images, module.renderer.render(result.latents))


def test_a_clip_draws_the_same_in_any_company() -> None:
    module = wired(Start(prior="made above", candidates=4), num_steps=2)
    alone = optimized(module, of_clips("a", None, None))
    among = optimized(module, of_clips("ccc", "bb", "a"))
    torch.testing.assert_close(alone.latents[0], among.latents[2], rtol=1e-3, atol=1e-3)


def test_the_best_of_several_candidates_is_taken() -> None:
    batch = of_clips("a", "bb", "ccc")
    several = wired(Start(prior="made above", candidates=6), num_steps=0)
    found = optimized(several, batch)
    for row, clip in enumerate(batch.slots):
        noise = sample_noise(clip_seed(0, clip.id), 6, several.generator.w_dim)
        targets = found.targets[row].expand(6, -1)
        w = several.prior.sample(targets, noise)
        best = several.renderer.render_and_score(w, targets)[2].max()
        assert found.curves[row, 0].item() == pytest.approx(best.item(), abs=1e-4)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"candidates": 2}, "candidates of 1 where every clip starts at the mean"),
        ({"prior": "pocket", "draws": 0}, "model.start.draws"),
    ],
)
def test_contradictory_starts_are_refused(settings: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Start(**settings)


def test_the_mean_alone_is_no_result() -> None:
    with pytest.raises(ConfigError, match="depends on the voice"):
        wired(Start(), num_steps=0)
    with pytest.raises(ConfigError, match="built prior exactly where"):
        StyleWav(
            LinearGenerator(),
            LinearImageTextEmbedder(),
            LinearAudioEmbedder(),
            cohort_size=1,
            start=Start(prior="pocket"),
        )


def test_a_prior_of_another_width_is_refused() -> None:
    guide, generator = LinearImageTextEmbedder(), LinearGenerator()
    made = prior(guide.embed_dim, generator.w_dim + 1)
    with pytest.raises(ConfigError, match="w of width"):
        StyleWav(generator, guide, LinearAudioEmbedder(), cohort_size=1, start=Start(prior="x"), prior=made)


def test_a_move_changes_what_voices_differ_in_and_nothing_where_they_agree() -> None:
    made = prior(6, 4)
    made.hear(torch.zeros(6), torch.eye(6)[:2])
    latents, noise = torch.randn(3, 4), torch.randn(3, 4)
    vectors = torch.nn.functional.normalize(torch.randn(3, 6), dim=1)
    elsewhere = torch.randn(3, 6)
    one, other = elsewhere.clone(), elsewhere + torch.tensor([0.0, 0.0, 1.0, -2.0, 3.0, 1.0])
    moved = made.move(latents, vectors, one, noise)
    assert not torch.allclose(moved, latents)
    torch.testing.assert_close(made.move(latents, vectors, other, noise), moved)
    other[:, 0] += 2
    assert not torch.allclose(made.move(latents, vectors, other, noise), moved)
    torch.testing.assert_close(made.move(latents[1:], vectors[1:], one[1:], noise[1:]), moved[1:])


def test_a_sample_of_its_own_is_moved_by_the_prior() -> None:
    start = Start(prior="pocket", truncation=1.0)
    assert start.depends_on_voice and not start.is_mean


def linear_images(made: Prior, latents: torch.Tensor) -> torch.Tensor:
    """What a guide would see if images followed from w as ``image_map`` says."""
    white = torch.linalg.solve_triangular(made.w_scale, (latents - made.w_mean).T, upper=False).T
    return made.image_mean + white @ made.image_map.T


def as_seen(made: Prior) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda latents: F.normalize(linear_images(made, latents), dim=1)


def test_a_move_is_completed_along_the_least_change_as_little_as_images_need_to_agree() -> None:
    made = prior(6, 4)
    made.image_map.normal_().mul_(0.2)
    made.image_mean.copy_(torch.eye(6)[4])
    made.hear(made.image_mean, torch.eye(6)[:2])
    latents, others = torch.randn(2, 80, 4)
    see = as_seen(made)
    targets = see(others)
    found, seen = made.complete(latents, see, targets)
    torch.testing.assert_close(seen, see(found))
    gap = made.image_mean + 0.9 * (targets + made.shift - made.image_mean) - see(latents)
    readings = made.image_map[:2]
    way = gap[:, :2] @ torch.linalg.solve(readings @ readings.T, readings) @ made.w_scale.T  # [clip, latent]
    tried = [latents + share * way for share in (0.0, *SHARES)]
    chosen = []
    for clip, target in enumerate(targets):
        looks = [see(each[clip : clip + 1]) for each in tried]
        agreeing = [made.agree(look, target[None]).item() for look in looks]
        cosines = [(look @ target).item() for look in looks]
        chosen.append(agreeing.index(True) if any(agreeing) else cosines.index(max(cosines)))
        torch.testing.assert_close(found[clip], tried[chosen[-1]][clip], rtol=1e-3, atol=1e-3)
    assert set(chosen) == {0, 1, 2, 3}, "each clip goes its own way"


def test_what_is_held_stays_where_it_is_and_the_voice_comes_nearer_all_the_same() -> None:
    made = prior(6, 4)
    made.image_map.normal_().mul_(0.2)
    made.image_mean.copy_(torch.eye(6)[4])
    made.hear(made.image_mean, torch.eye(6)[:2])
    made.held = F.normalize(torch.randn(1, 4))
    latents, noise, others = torch.randn(3, 20, 4)
    vectors, targets = as_seen(made)(latents), as_seen(made)(others)
    moved = made.move(latents, vectors, targets, noise)
    found, _ = made.complete(moved, as_seen(made), targets)
    for before, after in ((latents, moved), (moved, found)):
        white = torch.linalg.solve_triangular(made.w_scale, (after - before).T, upper=False).T
        assert white.abs().max() > 0.01
        torch.testing.assert_close(white @ made.held.T, torch.zeros(20, 1), rtol=0, atol=1e-4)
    nearer = ((as_seen(made)(found) - as_seen(made)(moved)) * targets).sum(dim=1)
    assert (nearer[~made.agree(as_seen(made)(found), targets)] >= 0).all() and nearer.max() > 0


def test_a_goal_has_the_voice_s_part_and_the_image_s_rest() -> None:
    made = prior(6, 4)
    made.hear(torch.randn(6), torch.eye(6)[:2])
    vectors, targets = (F.normalize(torch.randn(3, 6), dim=1) for _ in range(2))
    asked = made.image_mean + 0.9 * (targets + made.shift - made.image_mean)
    expected = torch.cat([asked[:, :2], vectors[:, 2:]], dim=1)
    torch.testing.assert_close(made.part.goals(vectors, targets), F.normalize(expected, dim=1))
