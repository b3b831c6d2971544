"""The promises that the optimisation itself must keep: a clip stands alone, frozen means frozen, not a
portrait."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from PIL import Image
from torch import Tensor
from torch.optim import SGD, Adam

from stylewav_pl.callbacks.writer import ResultsWriter
from stylewav_pl.commands.trainer_settings import FORCED
from stylewav_pl.data import BuiltinVoices, Window
from stylewav_pl.embedders.linear import LinearAudioEmbedder
from stylewav_pl.module import StyleWav
from stylewav_pl.optimisation.start import Start
from stylewav_pl.types import Clip, ClipBatch, CohortResult

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers.*"
)  # a list of cohorts needs none


class Cohorts:
    """Cohorts in a list, as a loader."""

    def __init__(self, batches: Sequence[ClipBatch]) -> None:
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self):
        return iter(self.batches)


class Kept(Callback):
    def __init__(self) -> None:
        self.results: list[CohortResult] = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        self.results.append(outputs["result"])


def fit(
    model: StyleWav, batches: Sequence[ClipBatch], *callbacks: Callback, place: Path | None = None
) -> tuple[list[CohortResult], Trainer]:
    kept = Kept()
    trainer = Trainer(
        accelerator="cpu",
        devices=1,
        logger=False,
        callbacks=[*callbacks, kept],
        default_root_dir=place,
        **FORCED,
    )
    trainer.fit(model, Cohorts(batches))
    return kept.results, trainer


@pytest.fixture(scope="module")
def voices() -> dict[str, Tensor]:
    """Eight synthesised voices, one second each."""
    source = BuiltinVoices(per_sex=4)
    return {clip.id: source.read(clip, 16_000, Window(seconds=1.0)) for clip in source.list_clips()}


def cohort(index: int, ids: Sequence[str | None], voices: dict[str, Tensor]) -> ClipBatch:
    return ClipBatch(
        index, tuple(id and Clip(id, f"builtin:{id}") for id in ids), tuple(voices[id] for id in ids if id)
    )


def linear(cohort_size: int) -> StyleWav:
    return StyleWav.from_sources("linear", "linear", "linear", cohort_size=cohort_size)


def plain(cohort_size: int) -> StyleWav:
    """Without Adam, which hides a common factor: here a mean over the cohort would show."""
    return StyleWav.from_sources(
        "linear",
        "linear",
        "linear",
        cohort_size=cohort_size,
        optimizer=lambda parameters: SGD(parameters, lr=0.5),
    )


def pocket(cohort_size: int) -> StyleWav:
    return StyleWav.from_sources(cohort_size=cohort_size, num_steps=3)


# Promise 1: a clip stands alone.


def companies_of(id: str, voices: dict[str, Tensor]) -> list[list[str | None]]:
    """Alone, in a three, in an eight; then two other threes (one with padding) and an eight in another
    order."""
    others = [other for other in voices if other != id]
    return [
        [id],
        [others[4], others[3], id],
        [*others[:3], id, *others[3:]],
        [id, *others[:2]],
        [id, None, None],
        [*others, id],
    ]


def finals_of(
    id: str,
    make: Callable[[int], StyleWav],
    companies: Sequence[Sequence[str | None]],
    voices: dict[str, Tensor],
) -> list[tuple[float, Tensor]]:
    """Final similarity and latent of one clip in each company."""
    found = []
    for company in companies:
        (result,), _ = fit(make(len(company)), [cohort(0, company, voices)])
        row = [clip.id for clip in result.clips].index(id)
        found.append((float(result.curves[row, -1]), result.latents[row]))
    return found


@pytest.mark.parametrize(
    ("make", "tolerance", "number"),
    [(linear, 1e-5, 6), (plain, 1e-5, 6), (pocket, 1e-3, 3)],
    ids=["linear", "sgd", "pocket"],
)
def test_company_order_and_cohort_size_do_not_matter(
    make, tolerance: float, number: int, voices: dict[str, Tensor]
) -> None:
    id = next(iter(voices))
    similarities = [
        similarity for similarity, _ in finals_of(id, make, companies_of(id, voices)[:number], voices)
    ]
    assert len(similarities) == number
    assert max(similarities) - min(similarities) < tolerance, similarities


def demonstration(cohort_size: int) -> StyleWav:
    """With the settings of ``configs/demo.yaml``: a start chosen among samples, and enough steps for small
    differences to grow."""
    settings = {"num_steps": 20, "start": Start(0.3, 8)}
    return StyleWav.from_sources(
        cohort_size=cohort_size, optimizer=lambda parameters: Adam(parameters, lr=0.07), **settings
    )


def test_company_and_order_do_not_matter_in_the_demonstration(voices: dict[str, Tensor]) -> None:
    first, *others = voices
    companies = [[first, *others[:3]], [*others[3:6], first], [others[6], first, None, None]]
    similarities = [similarity for similarity, _ in finals_of(first, demonstration, companies, voices)]
    assert max(similarities) - min(similarities) < 1e-3, similarities


def test_latents_of_a_clip_do_not_depend_on_its_company(voices: dict[str, Tensor]) -> None:
    id = list(voices)[5]
    latents = [latent for _, latent in finals_of(id, linear, companies_of(id, voices), voices)]
    for latent in latents[1:]:
        torch.testing.assert_close(latent, latents[0], atol=1e-4, rtol=0)


@pytest.mark.parametrize("make", [linear, pocket], ids=["linear", "pocket"])
def test_the_same_cohort_twice_gives_the_same_bytes(
    make: Callable[[int], StyleWav], voices: dict[str, Tensor]
) -> None:
    ids = list(voices)[:3]
    first, _ = fit(make(3), [cohort(0, ids, voices)])
    torch.rand(17)  # somebody else draws from the global generator
    second, _ = fit(make(3), [cohort(0, ids, voices)])
    for name in ("images", "latents", "curves", "targets"):
        assert torch.equal(getattr(first[0], name), getattr(second[0], name)), name


# Promise 3: frozen means frozen.


def networks_of(model: StyleWav) -> dict[str, Tensor]:
    return {
        name: value
        for name, value in (*model.named_parameters(), *model.named_buffers())
        if name != "latents"
    }


def test_networks_get_no_gradient_and_do_not_change(voices: dict[str, Tensor]) -> None:
    model = pocket(2)
    before = {name: value.clone() for name, value in networks_of(model).items()}
    assert len(before) > 50
    fit(model, [cohort(0, list(voices)[:2], voices)])
    for name, value in networks_of(model).items():
        assert torch.equal(value, before[name]), name
        assert value.grad is None and not value.requires_grad, name
    assert [name for name, value in model.named_parameters() if value.requires_grad] == ["latents"]
    assert not any(network.training for network in (model.generator, model.guide, model.audio)), (
        "the trainer calls train() on the whole module"
    )


def test_a_checkpoint_holds_the_latents_alone(voices: dict[str, Tensor], tmp_path: Path) -> None:
    model = pocket(2)
    assert list(model.state_dict()) == ["latents"]
    _, trainer = fit(model, [cohort(0, list(voices)[:2], voices)])
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    stored = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert list(stored["state_dict"]) == ["latents"]
    latents = model.latents.numel() * model.latents.element_size()
    assert (tmp_path / "last.ckpt").stat().st_size < 4 * latents + 20_000, (
        "latents, two moments of Adam, and Lightning's notes"
    )
    again = pocket(2)
    assert again.load_state_dict(stored["state_dict"], strict=False).unexpected_keys == []
    assert torch.equal(again.latents, model.latents)


class Counting(LinearAudioEmbedder):
    """Counts calls and clips."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[int] = []

    def embed_audio(self, waveforms: Sequence[Tensor] | Tensor) -> Tensor:
        self.calls.append(len(waveforms))
        return super().embed_audio(waveforms)


def test_audio_is_embedded_once_per_cohort(voices: dict[str, Tensor]) -> None:
    audio, ids = Counting(), list(voices)
    model = StyleWav.from_sources("linear", "linear", audio, cohort_size=3)
    fit(
        model,
        [cohort(0, ids[:3], voices), cohort(1, [*ids[3:5], None], voices), cohort(2, [None] * 3, voices)],
    )
    assert audio.calls == [3, 2]


def test_weights_are_read_once(voices: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    from stylewav_pl.weights import store

    read: list[str] = []
    original = store.safe_open

    def counted(path, *args, **kwargs):
        if kwargs.get("framework") or args:
            read.append(Path(path).name)
        return original(path, *args, **kwargs)

    model = pocket(2)
    monkeypatch.setattr(store, "safe_open", counted)
    fit(model, [cohort(0, list(voices)[:2], voices), cohort(1, list(voices)[2:4], voices)])
    assert read == [], "nothing is read once the module is built"
    pocket(1)
    assert set(read) == {"generator.safetensors", "clip.safetensors", "audio.safetensors"}, (
        "the counter works"
    )


# Promise 8: not a portrait.


def test_every_image_says_that_it_is_no_portrait(voices: dict[str, Tensor], tmp_path: Path) -> None:
    writer, ids = ResultsWriter(strips=True), list(voices)[:2]
    model = StyleWav.from_sources("linear", "linear", "linear", cohort_size=2, frame_steps=(0, 10))
    fit(model, [cohort(0, ids, voices)], writer, place=tmp_path)
    pictures = sorted(tmp_path.rglob("*.png"))
    assert len(pictures) == 4, "an image and a strip per clip"
    for path in pictures:
        with Image.open(path) as picture:
            assert "not a portrait" in picture.text["Comment"].lower()
            assert "not the speaker" in picture.text["Comment"].lower()
            assert picture.text["Clip"] in ids
