"""What lies in the way of a run's files is told before anything is computed."""

from pathlib import Path

import pytest

from stylewav_pl.errors import RunDirectoryError
from stylewav_pl.runs import places
from stylewav_pl.runs.places import check_places

FOLDERS = ["images", "latents", "strips", "shards", "journal", ".writing", "rendered", "rendered-512px"]


def test_ordinary_directories_pass(tmp_path: Path) -> None:
    check_places(tmp_path / "new")
    for name in FOLDERS:
        (tmp_path / "run" / name).mkdir(parents=True)
    check_places(tmp_path / "run")
    (tmp_path / "link").symlink_to(tmp_path / "run")
    check_places(tmp_path / "link")


@pytest.mark.parametrize("name", FOLDERS)
def test_a_link_to_the_same_disk_passes_and_one_to_another_does_not(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    run.mkdir()
    elsewhere.mkdir()
    (run / name).symlink_to(elsewhere)
    check_places(run)
    monkeypatch.setattr(places, "disk_of", lambda place: place.resolve() == elsewhere)
    with pytest.raises(RunDirectoryError, match=f"run/{name} lies on another disk than") as caught:
        check_places(run)
    assert caught.value.exit_code == 5
    assert "--run DIR" in str(caught.value)


@pytest.mark.parametrize("name", FOLDERS)
def test_a_link_to_nothing_is_told_with_where_it_leads(tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to(tmp_path / "gone")
    with pytest.raises(RunDirectoryError, match=f"{name}, found a link to nothing: {tmp_path}/gone"):
        check_places(tmp_path)


def test_a_file_in_place_of_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "images").write_text("no folder")
    with pytest.raises(RunDirectoryError, match="images, found a file"):
        check_places(tmp_path)
    with pytest.raises(RunDirectoryError, match=r"Expected a folder, or nothing, at .*images; found a file"):
        check_places(tmp_path / "images")


def test_the_run_directory_itself_may_not_lead_nowhere_or_round(tmp_path: Path) -> None:
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    (tmp_path / "round").symlink_to(tmp_path / "round")
    for name in ("nowhere", "round"):
        with pytest.raises(RunDirectoryError, match="found a link to nothing"):
            check_places(tmp_path / name)
