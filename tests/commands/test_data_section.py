"""The section ``data`` alone, as the commands of ``data`` read it: what is wrong is told as in a whole
experiment."""

from pathlib import Path

import pytest

from stylewav_pl.cli import main


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("cohort_size", "cohort_sise",
         "line 3: there is no setting data.cohort_sise. Did you mean data.cohort_size?"),
        ("num_workers: 0", "num_workers: many",
         "line 4: expected data.num_workers to be a whole number, found many."),
        ("class_path: BuiltinVoices", "class_path: BuiltinVoice",
         "found BuiltinVoice. Did you mean BuiltinVoices?"),
        ("per_sex", "per_sexx",
         "line 7: BuiltinVoices in data.sources has no setting per_sexx. Did you mean per_sex?"),
        ("per_sex: 2", "per_sex: no", "line 7: without quotes YAML reads no as false"),
        ("BuiltinVoices", "os.system", "os.system is refused: a configuration names classes"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "command", [["check"], ["shards", "-o", "out"], ["common-voice", "release"]], ids=lambda w: w[0]
)
def test_a_wrong_setting_is_told_with_file_and_line(
    config: Path,
    command: list[str],
    before: str,
    after: str,
    told: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(config.parent)
    config.write_text(config.read_text().replace(before, after, 1))
    assert main(["data", *command, "--config", str(config)]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.startswith(f"stylewav-pl: {config}, line ")
    assert error.count("\n") == 1


def test_the_file_that_has_the_mistake_is_named(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("\ndata: {seconds: long}\n")
    assert main(["data", "check", "--config", str(config), "--config", str(overlay)]) == 2
    assert f"{overlay}, line 2: expected data.seconds to be a number" in capsys.readouterr().err


def test_a_section_may_be_a_file_of_its_own(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "voices.yaml").write_text("sources: [{class_path: BuiltinVoices, init_args: {per_sex: 1}}]\n")
    config.write_text("data: voices.yaml\n")
    assert main(["data", "check", "--config", str(config)]) == 0
    assert "2 can be used" in capsys.readouterr().out
    config.write_text("data: gone.yaml\n")
    assert main(["data", "check", "--config", str(config)]) == 2
    assert "expected settings or a YAML file for data, found 'gone.yaml'" in capsys.readouterr().err


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/x.yaml", "memory://x.yaml", "file:///tmp/x.yaml"])
@pytest.mark.parametrize("command", [["data", "check"], ["validate"]], ids=lambda words: words[0])
def test_nothing_is_fetched_from_an_address(
    config: Path, command: list[str], address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lightning has jsonargparse read settings from anywhere that fsspec reaches."""
    import fsspec

    with fsspec.filesystem("memory").open("x.yaml", "w") as file:
        file.write(config.read_text())
    text = config.read_text()
    assert main([*command, "--config", address]) == 2
    assert "nothing is fetched from there" in capsys.readouterr().err
    data = text[text.index("data:") : text.index("clip_score:")]
    config.write_text(text.replace(data, f"data: {address}\n"))
    assert main([*command, "--config", str(config)]) == 2
    assert f"{config}, line 2: expected settings or a file of settings for data" in capsys.readouterr().err


@pytest.mark.parametrize("setting", ["data", "model", "model.optimizer", "trainer.callbacks"])
def test_nor_by_an_option(config: Path, setting: str, capsys: pytest.CaptureFixture[str]) -> None:
    import fsspec

    with fsspec.filesystem("memory").open("section.yaml", "w") as file:
        file.write("{}\n")
    assert main(["validate", "--config", str(config), f"--{setting}", "memory://section.yaml"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("stylewav-pl: Expected") and error.count("\n") == 1
