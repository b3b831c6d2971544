"""What a journal says that it has written."""

import pytest

from stylewav_pl.runs.digests import CohortFiles


def line(path: str) -> str:
    return CohortFiles().to_json().replace('"files":{}', f'"files":{{"{path}":[1,"{"0" * 64}"]}}')


@pytest.mark.parametrize("path", ["images/a.png", "shards/0.tar", "images/..a.png", "journal/..."])
def test_what_lies_in_a_folder_of_a_run_is_read(path: str) -> None:
    assert list(CohortFiles.from_json(line(path)).files) == [path]


@pytest.mark.parametrize(
    "path", ["images/..", "latents/.", "images/../x", "x/a.png", "images/", "a.png", "/images/a.png"]
)
def test_what_leads_elsewhere_is_refused(path: str) -> None:
    """A line may come from a store that somebody else can write."""
    with pytest.raises(ValueError, match="no file of a run"):
        CohortFiles.from_json(line(path))


@pytest.mark.parametrize("size", ["null", '"many"', "-1", "true", "1.5"])
def test_a_size_that_is_none_is_refused(size: str) -> None:
    with pytest.raises(ValueError, match="no size and SHA-256"):
        CohortFiles.from_json(line("images/a.png").replace("[1,", f"[{size},"))
