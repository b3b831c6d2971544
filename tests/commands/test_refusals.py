"""Options and settings that cannot work: one sentence that names them, what was expected and found, and
where."""

from collections.abc import Callable
from pathlib import Path

import pytest

Refused = Callable[..., tuple[int, str]]

WRONG = [
    # a misspelt option or class: the nearest
    (["--model.num_stepz", "4"], "There is no option --model.num_stepz. Did you mean --model.num_steps"),
    (["--modle.num_steps=4"], "There is no option --modle.num_steps. Did you mean --model.num_steps"),
    (["--stict"], "There is no option --stict. Did you mean --strict?"),
    (["extra"], "'extra' belongs to no option"),
    (["--model.num_steps"], "The option --model.num_steps needs a value"),
    (["--model.latent_space", "Wplus"],
     "Expected model.latent_space to be one of the classes Codes, S, W, WPlus or null, found Wplus. Did you "
     "mean WPlus?"),
    (["--model.latent_space", "torch.nn.Linear"],
     "one of the classes Codes, S, W, WPlus or null, found torch.nn.Linear"),
    (["--model.schedule", "Constnt"],
     "one of the classes Constant, RampUpCosineDown or null, found Constnt. Did you mean Constant?"),
    (["--model.optimizer", "torch.optim.Adm"],
     "found torch.optim.Adm (module 'torch.optim' has no attribute 'Adm'). Did you mean Adam"),
    (["--model.optimizer", "nonsense.Adam"], "no package nonsense is installed here"),
    (["--data.sources", "Foldr"], "BuiltinVoices, CommonVoice, Files, Folder"),
    (["--data.sources.per_sexx", "3"],
     "BuiltinVoices in data.sources has no setting per_sexx. Did you mean per_sex?"),
    (["--data.sources", "[{class_path: Sample}]"],
     "Sample in data.sources also needs source, trait, populations"),
    (["--trainer.plugins", "nonsense"], "a class of the kind Precision or ClusterEnvironment"),
    # a value of another type
    (["--model.num_steps", "many"], "Expected model.num_steps to be a whole number, found many."),
    (["--model.num_steps", "1.5"], "Expected model.num_steps to be a whole number, found 1.5."),
    (["--data.seconds", "long"], "Expected data.seconds to be a number, found long."),
    (["--writer.image", "bmp"], "Expected writer.image to be one of png, jpeg, webp, none, found bmp."),
    (["--model.frame_steps", "3"], "Expected model.frame_steps to be a list of whole numbers, found 3."),
    (["--clip_score.prompts", "3"],
     "Expected clip_score.prompts to be names, each with names, each with a text"),
    (["--model", "nope.yaml"], "Expected settings or a YAML file for model, found 'nope.yaml'."),
    (["--seed_everything", "true"], "Expected seed_everything to be a whole number, found True."),
    (["--seed_everything", "null"], "Expected seed_everything to be a whole number, found null."),
    # what follows from something else
    (["--model.seed", "5"], "model.seed follows from seed_everything. Set seed_everything instead."),
    (["--model.cohort_size", "5"], "model.cohort_size follows from data.cohort_size."),
    (["--ckpt_path", "x.ckpt"], "the same command continues a run by itself"),
    # nothing where something is needed
    (["--model.generator", "null"], "Expected a weight name of kind 'generator'"),
    (["--model.num_steps", "null"], "Expected model.num_steps to be a whole number, found null."),
    (["--data.sources", "null"], "Expected data.sources to be a list of the classes"),
    (["--data.sources.per_sex", "null"], "Expected data.sources.0.per_sex to be a whole number, found null."),
    # numbers that are none, or out of range
    (["--seed_everything", "99999999999999"],
     "Expected seed_everything of at least 0 and at most 4,294,967,295, found 99999999999999."),
    (["--seed_everything", "-1"], "found -1."),
    (["--model.objective.similarity", ".nan"],
     "Expected a finite number for model.objective.similarity, found nan."),
    (["--model.objective.similarity", "1e308"],
     "Expected model.objective.similarity of at least -1,000,000 and at most 1,000,000, found 1e+308."),
    (["--model.objective.distance_to_start", ".inf"],
     "Expected a finite number for model.objective.distance_to_start, found inf."),
    (["--data.sources.seconds", ".nan"], "Expected a finite number for data.sources.0.seconds, found nan."),
    (["--model.schedule", "RampUpCosineDown", "--model.schedule.ramp_up", "0"],
     "Expected model.schedule.ramp_up above 0 and at most 1, found 0.0."),
    (["--model.start", "{truncation: 0.3, candidates: 100000000000}"],
     "Expected model.start.candidates of at least 1 and at most 10,000"),
    (["--max_skipped_fraction", ".nan"], "Expected a finite number for max_skipped_fraction, found nan."),
    (["--max_skipped_fraction", "-0.1"],
     "Expected max_skipped_fraction of at least 0 and at most 1, found -0.1."),
    (["--threads", "0"], "Expected threads of at least 1 and at most 4,096, found 0."),
    (["--threads", "100000000"], "found 100000000."),
    (["--patience", "-1"], "Expected patience of at least 0"),
    (["--patience", ".inf"], "Expected a finite number for patience, found inf."),
    # optimisers
    (["--model.optimizer", "torch.optim.LBFGS"], "LBFGS computes the loss several times"),
    (["--model.optimizer", "torch.optim.SparseAdam"], "SparseAdam cannot move latents"),
    (["--model.optimizer", "Adam", "--model.optimizer.lr", "-1"], "Invalid learning rate: -1.0"),
    (["--model.optimizer", "Adam", "--model.optimizer.lr", "1e308"],
     "Expected model.optimizer.lr of at least 0"),
    # a class in place of a name
    (["--model.audio", "my.Class"],
     "If it is a class, an experiment says so: --model.audio.class_path my.Class"),
    (["--model.guide", "my.Class"], "--model.guide.class_path my.Class"),
    (["--model.generator", "my.Class"], "--model.generator.class_path my.Class"),
    (["--clip_score.judge", "my.Class"], "--clip_score.judge.class_path my.Class"),
    (["--model.guides", "[{source: my.Class}]"], "or the path of an existing file"),
    # a key of the command line whose name stands in the file, too
    (["--model.guides", "[{guide: my.Class}]"], "has no setting guide"),
    (["--model.audio.class_path", "my.Class"], "no package my is installed here"),
    (["--model.audio", "my-weights.pt"], "or the path of an existing file; found 'my-weights.pt'"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "told"), WRONG, ids=[" ".join(options) for options, _ in WRONG])
def test_wrong_options_are_told_in_a_sentence(refused: Refused, tmp_path: Path, options, told) -> None:
    code, error = refused("validate", *options)
    assert code == 2
    assert told in error
    assert error.count("\n") == 1, "one sentence, or two"
    assert "plain.yaml, line" not in error, "what stands on the command line has no line in a file"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("cohort_size", "cohort_sise",
         "line 3: there is no setting data.cohort_sise. Did you mean data.cohort_size?"),
        ("clip_score", "clip_scor", "line 8: there is no setting clip_scor. Did you mean clip_score?"),
        ("per_sex", "per_sexx",
         "line 7: BuiltinVoices in data.sources has no setting per_sexx. Did you mean per_sex?"),
        ("num_steps: 2", "num_steps: two",
         "line 1: expected model.num_steps to be a whole number, found two."),
        ("generator: linear", "generator: null", "Expected model.generator to be one of the classes"),
        ("{per_sex: 2}", "{path: v, values: [yes, no]}", "line 7: without quotes YAML reads yes as true"),
        ("BuiltinVoices", "BuiltinVoice", "line 5: expected data.sources to be a list of the classes"),
        ("a boy", "no",
         "line 9: without quotes YAML reads no as false, and clip_score.prompts takes names, each with "
         "names, each with a text"),
        ("a girl", "On", "line 9: without quotes YAML reads On as true"),
        ("a boy", "true",
         "line 9: expected clip_score.prompts to be names, each with names, each with a text"),
    ],
)  # fmt: skip
def test_settings_of_a_file_are_told_with_file_and_line(
    refused: Refused, config: Path, before: str, after: str, told: str
) -> None:
    text = config.read_text().replace(before, after, 1)
    config.write_text(text.replace("BuiltinVoices", "Folder") if "values" in after else text)
    code, error = refused("validate")
    assert code == 2
    assert told in error
    assert "line" not in told or f"{config}, {told[:6]}" in error
    assert error.count("\n") == 1


def test_the_last_configuration_that_says_it_is_named(refused: Refused, config: Path, tmp_path: Path) -> None:
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("\n\nmodel:\n  num_steps: two\n")
    code, error = refused("validate", "--config", str(overlay))
    assert code == 2
    assert f"{overlay}, line 4: expected model.num_steps to be a whole number" in error


def test_a_class_by_its_path_works_where_a_name_does_not(refused: Refused) -> None:
    path = "stylewav_pl.embedders.linear.LinearAudioEmbedder"
    assert refused("validate", "--model.audio", path)[0] == 2
    assert refused("validate", "--model.audio.class_path", path) == (0, "")
