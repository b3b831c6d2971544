"""The acceptance of the miniature: the demonstration that ships finds what is there, and its control finds
nothing."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats

import stylewav_pl
from stylewav_pl.cli import main
from stylewav_pl.data import BuiltinVoices, Window
from stylewav_pl.embedders import load_image_text_embedder
from stylewav_pl.generators import load_generator
from stylewav_pl.pictures.images import from_picture
from stylewav_pl.pocket.voices import Speaker, held_out_children, held_out_speakers, training_speakers
from stylewav_pl.runs.directory import RunDirectory
from stylewav_pl.runs.finished import FinishedRun
from stylewav_pl.training.base_rates import SEX, BaseRates, RandomFaces, answer, measure, measure_run
from stylewav_pl.training.nuisance import embed

BOY, GIRL = "this is a photo of a boy", "this is a photo of a girl"
AGES = [f"this is a photo of {whom}" for whom in ("a child", "an adult", "an old person")]
PROMPT_OF = {"male": BOY, "female": GIRL}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]  # 80 faces: about 40 seconds of one free core


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished run of ``fit --config demo.yaml`` in an empty working directory."""
    place = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        assert (
            main(
                [
                    "fit",
                    "--config",
                    "demo.yaml",
                    "--trainer.accelerator",
                    "cpu",
                    "--progress.enabled",
                    "false",
                ]
            )
            == 0
        )
    return place / "runs" / "demo"


@pytest.fixture(scope="module")
def statistics(demo: Path) -> dict[str, Any]:
    """The statistics of sex."""
    return traits(demo)["sex"]


def traits(demo: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((demo / "statistics.json").read_text("utf-8"))["traits"]
    return found


def rows(demo: Path) -> list[dict[str, str]]:
    with (demo / "results.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_voice_has_a_face(demo: Path) -> None:
    found = rows(demo)
    assert {row["status"] for row in found} == {"done"}
    assert [sum(row["sex"] == sex for row in found) for sex in ("female", "male", "")] == [32, 32, 16]
    assert sum(row["age_group"] == "child" for row in found) == 16
    assert len({row["speaker"] for row in found}) == 80  # independent
    assert len(list((demo / "images").glob("*.png"))) == 80


def test_faces_move_towards_their_voices(demo: Path) -> None:
    """Before the first step the prior has moved them; the steps follow what voices say alone."""
    gains = [float(row["similarity_end"]) - float(row["similarity_start"]) for row in rows(demo)]
    assert np.mean(gains) > 0
    retrieval = json.loads((demo / "statistics.json").read_text("utf-8"))["retrieval"]
    among_five = {entry["k"]: entry["share"]["value"] for entry in retrieval["hits"]}[5]
    assert among_five > 0.15 and retrieval["median_rank"] < 20, "by chance .0625 and 40.5 of 80"


def test_each_prompt_scores_higher_on_its_own_population(statistics: dict[str, Any]) -> None:
    between = {entry["prompt"]: entry for entry in statistics["observed"]["between"]}
    assert {entry["label"]: prompt for prompt, entry in between.items()} == PROMPT_OF
    for entry in between.values():
        assert entry["welch"]["difference"]["value"] > 0
        assert entry["welch"]["p"] < 0.001
        assert entry["p_holm"] < 0.001
        assert entry["hedges_g"]["low"] > 0.8  # a large effect, not only a sure one


def test_the_written_scores_say_the_same_without_the_package_s_statistics(demo: Path) -> None:
    for sex, prompt in PROMPT_OF.items():
        own = [float(row[f"score: {prompt}"]) for row in rows(demo) if row["sex"] == sex]
        rest = [float(row[f"score: {prompt}"]) for row in rows(demo) if row["sex"] not in (sex, "")]
        welch = stats.ttest_ind(own, rest, equal_var=False)
        assert welch.statistic > 0
        assert welch.pvalue < 0.001


def test_most_faces_are_nearest_to_the_right_prompt(demo: Path, statistics: dict[str, Any]) -> None:
    right = sum(
        float(row[f"score: {PROMPT_OF[row['sex']]}"])
        == max(float(row[f"score: {text}"]) for text in (BOY, GIRL))
        for row in rows(demo)
        if row["sex"]
    )
    assert right >= 0.9 * 64
    assert statistics["faces_right"] == right
    for sex in ("male", "female"):
        assert statistics["observed"]["accuracy_by_label"][sex]["share"]["value"] >= 0.75


def test_images_answer_as_what_was_heard_does(demo: Path) -> None:
    """Of the voices that are nearest to a prompt, as many images as may be hoped for are so, too."""
    run, judged = FinishedRun(demo), {row["id"]: row for row in rows(demo)}
    words = run.prompts()
    for texts in ((BOY, GIRL), AGES):
        by_guide, by_judge = [], []
        for _, cohort in run.embeddings():
            asked = np.stack([words[text] for text in texts])
            heard = (cohort.targets @ asked.T).argmax(axis=1)
            by_guide += ((cohort.images @ asked.T).argmax(axis=1) == heard).tolist()
            scores = [[float(judged[id][f"score: {text}"]) for text in texts] for id in cohort.ids]
            by_judge += (np.argmax(scores, axis=1) == heard).tolist()
        assert len(by_guide) == 80
        assert np.mean(by_guide) >= 0.97, texts
        assert np.mean(by_judge) >= 0.85, texts


def test_children_look_like_children(demo: Path) -> None:
    age = traits(demo)["age_group"]
    of_children = age["observed"]["accuracy_by_label"]["child"]["share"]["value"]
    assert of_children >= 0.75
    for entry in age["observed"]["between"]:
        if entry["label"] == "child":
            assert entry["welch"]["difference"]["value"] > 0 and entry["p_holm"] < 0.001


NOT_TOLD = ("glasses", "hair-colour", "skin", "background")


def test_what_no_voice_says_keeps_its_share(demo: Path) -> None:
    """Of 32 women and 32 men a share lies within 0.25 of the true one in 99 of 100 cases."""
    found = measure_run(demo, "pocket-judge", samples=400)
    for name, share in found.shares.items():
        if name.split(":")[0] in NOT_TOLD:
            assert share.shift < 0.25, name
    assert found.diversity > 0.8


@pytest.fixture(scope="module")
def other_voices() -> tuple[torch.Tensor, torch.Tensor]:
    """Three faces of each of 200 voices, and whether the voice is male.

    As the prior answers; the steps that follow leave what no voice says alone.
    """
    voices = BuiltinVoices(100)
    clips = voices.list_clips()
    spoken = [(voices.read(clip, 16_000, Window(2.5)).numpy(), 16_000) for clip in clips]
    faces = stylewav_pl.generate(spoken, count=3, steps=0, side_by_side=50, device="cpu")
    male = torch.tensor([clip.labels["sex"] == "male" for clip in clips]).repeat_interleave(3)
    return torch.stack([from_picture(face.image) for face in faces]), male


@pytest.fixture(scope="module")
def other_rates(other_voices: tuple[torch.Tensor, torch.Tensor]) -> BaseRates:
    judge = load_image_text_embedder("pocket-judge")
    return measure(*other_voices, judge, RandomFaces.of(load_generator("pocket"), judge, truncation=1.0))


def test_over_200_other_voices_no_share_moves_by_ten_points(
    other_voices: tuple[torch.Tensor, torch.Tensor], other_rates: BaseRates
) -> None:
    for name, share in other_rates.shares.items():
        if name.split(":")[0] in NOT_TOLD:
            assert share.shift < 0.1, name
    beards = other_rates.shares["beard: with"]
    assert abs(beards.women - beards.random_women) < 0.1
    assert other_rates.diversity > 0.8
    images, male = other_voices
    judge = load_image_text_embedder("pocket-judge")
    boys = answer(judge, embed(judge, images), SEX) == 0
    assert (boys == male).float().mean() > 0.92


def test_the_judge_is_not_the_guide(demo: Path) -> None:
    weights = json.loads((demo / "manifest.json").read_text("utf-8"))["weights"]
    assert weights["judge"]["source"] == "pocket-judge"
    assert weights["judge"]["sha256"] != weights["guide"]["sha256"]


def test_the_paper_s_table_has_its_signs(statistics: dict[str, Any]) -> None:
    means = statistics["observed"]["means"]
    assert means[BOY]["male"] > means[GIRL]["male"]
    assert means[GIRL]["female"] > means[BOY]["female"]


def test_permuted_labels_show_nothing(statistics: dict[str, Any]) -> None:
    for entry in statistics["permuted"]["between"]:
        assert abs(entry["welch"]["t"]) < 2.5


def test_populations_look_different_in_the_pictures_themselves(demo: Path) -> None:
    def mean_picture(sex: str, half: int) -> np.ndarray:
        ids = [row["id"] for row in rows(demo) if row["sex"] == sex][half::2]
        return np.mean(
            [np.asarray(Image.open(RunDirectory(demo).image_path(id)), dtype=float) for id in ids], axis=0
        )

    def distance(one: np.ndarray, other: np.ndarray) -> float:
        return float(np.sqrt(np.mean((one - other) ** 2)))

    within = [distance(mean_picture(sex, 0), mean_picture(sex, 1)) for sex in ("female", "male")]
    assert distance(mean_picture("female", 0), mean_picture("male", 1)) > 2 * max(within)


def test_no_speaker_of_the_demonstration_was_trained_on() -> None:
    def voice(speaker: Speaker) -> str:
        return repr(
            replace(speaker, name="")
        )  # names are numbers within a list; what is heard are the other fields

    held_out = [voice(speaker) for speaker in (*held_out_speakers(32), *held_out_children(8))]
    trained = {voice(speaker) for seed in range(3) for speaker in training_speakers(1000, seed=seed)}
    assert len(set(held_out)) == 80
    assert not trained & set(held_out)
    assert voice(training_speakers(3)[2]) in trained  # the comparison can find somebody
