"""The notebooks of examples/ run, and what they keep of an earlier run is small."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
jupyter_client = pytest.importorskip("jupyter_client", reason="nbclient, which brings it, is not installed")

REPOSITORY = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((REPOSITORY / "examples").glob("*.ipynb"))


@pytest.fixture(scope="module")
def kernel() -> Iterator[Any]:
    """One for all notebooks, which takes seconds to import what they need."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")]))
        patch.setenv("PYTHONWARNINGS", "default")  # of the libraries' about notebooks none is ours
        manager = jupyter_client.KernelManager(kernel_name="python3")
        manager.start_kernel()
        yield manager
        manager.shutdown_kernel(now=True)


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path, kernel: Any) -> None:
    notebook = nbformat.read(path, as_version=4)
    begin = (
        f"%reset -f\nimport os\nos.chdir({str(tmp_path)!r})\ndel os"  # nothing of another notebook is left
    )
    notebook.cells.insert(0, nbformat.v4.new_code_cell(begin))
    client = nbclient.NotebookClient(notebook, km=kernel, timeout=500)
    try:
        client.execute()
    finally:
        client.kc.stop_channels()
    if path.stem == "experiment":
        assert (tmp_path / "run/report.html").is_file()
        statistics = json.loads((tmp_path / "run/statistics.json").read_text("utf-8"))
        assert "shows in the faces" in statistics["traits"]["sex"]["verdict"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_shows_its_outputs_and_is_small(path: Path) -> None:
    assert path.stat().st_size < 300_000
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert "google.colab" in cells[0].source, "the first one works on Colab"
    assert sum(bool(cell.outputs) for cell in cells) >= len(cells) // 2
    kinds = {kind for cell in cells for output in cell.outputs for kind in output.get("data", ())}
    assert "image/jpeg" in kinds
    failures = [output for cell in cells for output in cell.outputs if output.output_type == "error"]
    assert not failures


def test_there_are_notebooks() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["experiment", "first-steps"]
