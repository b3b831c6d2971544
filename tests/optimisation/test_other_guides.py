"""Several guides for texts and pictures, each on the scale of its own random faces."""

from pathlib import Path

import pytest
import torch
from one_cohort import CountingAudio, CountingGenerator, CountingGuide, optimise
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from stylewav_pl.callbacks import ClipScore
from stylewav_pl.embedders.linear import LinearImageTextEmbedder
from stylewav_pl.errors import ConfigError
from stylewav_pl.generators import LinearGenerator
from stylewav_pl.module import StyleWav
from stylewav_pl.optimisation.loss import Seen
from stylewav_pl.optimisation.objective import Objective
from stylewav_pl.optimisation.other_guides import OtherGuide, WeightedGuide, check_files, load_guides
from stylewav_pl.optimisation.prompts import Prompt
from stylewav_pl.optimisation.start import Start
from stylewav_pl.optimisation.views import Views
from stylewav_pl.session.networks import Networks
from stylewav_pl.types import Clip, ClipBatch
from stylewav_pl.weights.registry import resolve

pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers.*")  # one cohort needs none
VOICE, SMILE = Prompt(audio="clip"), Prompt(text="a smile", weight=0.5)


class Counting(LinearImageTextEmbedder):
    """Another space: other weights, and vectors of another width."""

    calls = 0

    def __init__(self, seed: int = 5, width: int = 24) -> None:
        super().__init__(width, seed=seed)

    def embed_image(self, images: Tensor) -> Tensor:
        self.calls += 1
        return super().embed_image(images)


def system(cohort: int = 2, weights: tuple[float, ...] = (3.0,), **settings) -> StyleWav:
    guides = [WeightedGuide(Counting(5 + at, 24 + at), one, f"g{at}") for at, one in enumerate(weights)]
    networks = (CountingGenerator(), CountingGuide(), CountingAudio())
    return StyleWav(*networks, cohort_size=cohort, guides=guides, **settings)


def loss_of(model: StyleWav, targets: Tensor):
    clips = tuple(Clip(name, f"{name}.wav", labels={"look": "old"}) for name in "ab"[: len(targets)])
    batch = ClipBatch(0, clips, ())
    return model.guidance.of_cohort(batch, targets, model.latents.detach(), [1, 2])[2]


def test_each_guide_pulls_on_its_own_scale_by_its_share() -> None:
    """Written again: the cosine in standard deviations of what this guide sees in 256 random faces."""
    model = system(prompts=[VOICE, SMILE])
    targets = F.normalize(torch.randn(2, model.guide.embed_dim, generator=torch.manual_seed(1)), dim=1)
    terms = loss_of(model, targets).terms
    assert list(terms) == ["voice", "text: a smile", "text: a smile, by g0"]
    latents = model.generator.map(torch.randn(2, model.generator.z_dim, generator=torch.manual_seed(2)))
    images, embeddings, similarities = model.renderer.render_and_score(latents, targets)
    seen = Seen(0, images, embeddings, similarities, latents)
    faces = torch.cat(list(model.generator.sampled(256, 20_260, 8)))
    voice_spread = (model.guide.embed_image(model.generator.synthesize(faces)) @ targets.T).std(
        dim=0, unbiased=False
    )
    (other,) = model.guides
    for network, name, share in ((model.guide, "text: a smile", 0.25), (other, "text: a smile, by g0", 0.75)):
        vector = network.embed_text(["a smile"])[0]
        spread = (network.embed_image(model.generator.synthesize(faces)) @ vector).std(unbiased=False)
        cosine = network.embed_image(images) @ vector
        expected = 0.5 * share * voice_spread * (1 - cosine) / spread
        torch.testing.assert_close(terms[name](seen), expected, rtol=1e-4, atol=1e-6)


def test_a_guide_looks_once_at_a_step_whatever_it_is_asked() -> None:
    prompts = [VOICE, SMILE, Prompt(text="a hat"), Prompt(column="look")]
    model = system(prompts=prompts, views=Views(count=2), objective=Objective(direction=0.0))
    loss = loss_of(model, F.normalize(torch.ones(2, model.guide.embed_dim), dim=1))
    latents = model.latents.detach().clone().requires_grad_()
    images, embeddings, similarities = model.renderer.render_and_score(latents, torch.zeros(2, 16))
    (other,) = model.guides
    before = other.calls
    loss(Seen(3, images, embeddings, similarities, latents)).sum().backward()
    assert other.calls == before + 2, "the images, and their copies"
    assert latents.grad.abs().sum() > 0


def test_a_clip_is_the_same_in_any_company(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), (200, 0, 0)).save(tmp_path / "red.png")
    prompts = [Prompt(text="a smile", neutral="a face"), Prompt(image=str(tmp_path / "red.png"))]
    settings = {
        "prompts": prompts,
        "objective": Objective(direction=0.5),
        "views": Views(count=1),
        "weights": (1.0, 2.0),
        "start": Start(0.5),
        "num_steps": 4,
    }
    alone = optimise(system(3, **settings), ["a", None, None])
    together = optimise(system(3, **settings), ["b", "a", "c"])
    torch.testing.assert_close(alone.latents[0], together.latents[1], atol=1e-5, rtol=0)
    again = optimise(system(3, **settings), ["b", "a", "c"])
    assert torch.equal(again.latents, together.latents)
    names = list(together.terms)
    assert names[2:6] == [f"{prompt.name}, by g{at}" for at in (0, 1) for prompt in prompts]
    assert names[-1] == f"direction, image: {tmp_path / 'red.png'}, by g1"


def test_another_guide_changes_the_way_and_its_own_cosine() -> None:
    words = {"prompts": [VOICE, Prompt(text="a smile", weight=2.0)], "num_steps": 20}
    plain, guided = (optimise(system(2, weights, **words), ["a", "b"]) for weights in ((), (100.0,)))
    other = Counting()
    smile = other.embed_text(["a smile"])[0]
    before, after = (other.embed_image(result.images) @ smile for result in (plain, guided))
    assert (after > before + 0.2).all()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "a voice is valid only in the space that its encoder was trained to reach"),
        ({"prompts": [VOICE, Prompt(audio="clip", weight=2.0)][:1]}, "model.prompts has none"),
        ({"prompts": [VOICE, SMILE], "combine": "embeddings"}, "cannot be added"),
    ],
)
def test_what_other_guides_cannot_see(settings: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        system(**settings)


def test_a_guide_without_weight_or_named_twice() -> None:
    with pytest.raises(ConfigError, match=r"model\.guides\.weight"):
        OtherGuide("pocket", weight=0.0)
    twice = [WeightedGuide(Counting(), 1.0, "same")] * 2
    with pytest.raises(ConfigError, match="names same more than once"):
        StyleWav(LinearGenerator(), CountingGuide(), CountingAudio(), 1, prompts=[VOICE, SMILE], guides=twice)


def test_a_network_counts_once_whatever_its_name(tmp_path: Path) -> None:
    file = resolve("pocket-judge", "image_text")
    (tmp_path / "copy.pt").write_bytes(file.read_bytes())
    (tmp_path / "link.pt").symlink_to(file)
    for other in ("pocket-judge", str(file), str(tmp_path / "copy.pt"), tmp_path / "link.pt"):
        with pytest.raises(ConfigError, match=r"than model\.guide \(pocket-judge\), found the same file"):
            check_files([OtherGuide("pocket"), OtherGuide(other)], "pocket-judge")
    with pytest.raises(ConfigError, match=r"than model\.guides \(pocket-judge\), found .* at .*copy\.pt"):
        load_guides([OtherGuide("pocket-judge"), OtherGuide(str(tmp_path / "copy.pt"))], CountingGuide())
    with pytest.raises(ConfigError, match="would count twice"):
        StyleWav.from_sources(guides=[OtherGuide("pocket")], prompts=[VOICE, SMILE])
    check_files([OtherGuide("pocket"), OtherGuide("linear")], "pocket-judge")


def test_their_hashes_are_kept_and_none_of_them_is_an_independent_judge() -> None:
    guides = [{"source": "pocket-judge", "weight": 1.0, "preprocess": "clip"}]
    model = {"generator": "linear", "guide": "pocket", "audio": "pocket", "guides": guides}
    networks = Networks(model, ClipScore({"sex": {"male": "a man", "female": "a woman"}}, "pocket-judge"))
    assert networks.weights["guide pocket-judge"]["sha256"] == networks.weights["judge"]["sha256"]
    told = networks.scoring(0)
    assert told.guide == told.judge == "pocket-judge"
    whose = Networks({**model, "guides": None, "identity": "pocket-judge"}, networks.clip_score).scoring(0)
    assert (whose.guide, whose.judge) == ("pocket-judge", "pocket-judge"), "it is part of the loss"
    independent = Networks(model, ClipScore({"sex": {"male": "a man"}}, "linear")).scoring(0)
    assert (independent.guide, independent.judge) == ("pocket and pocket-judge", "linear")
