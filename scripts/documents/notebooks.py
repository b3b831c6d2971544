"""Runs the notebooks of examples/ again and keeps their outputs, small enough to live in a repository.

Usage: ``scripts/notebooks``.
"""

import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

EXAMPLES = Path("examples")
MOST_LINES = 30  # of a printed output


def run(path: Path, folder: str) -> nbformat.NotebookNode:
    """Returns a notebook with the outputs that it has now, run in a folder.

    Raises:
        CellExecutionError: A cell failed.
    """
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": folder}}).execute()
    return notebook


def slim(notebook: nbformat.NotebookNode) -> None:
    """Keeps of a picture its smaller form, of a text its beginning, and nothing of when a cell ran."""
    for cell in notebook.cells:
        cell.metadata = {}
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if "image/jpeg" in data:
                data.pop("image/png", None)
            data.pop("text/html", None)
            if "text" in output:
                lines = output.text.splitlines(keepends=True)
                output.text = "".join(lines[:MOST_LINES] + ["...\n"] * (len(lines) > MOST_LINES))
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]


if __name__ == "__main__":
    for path in sorted(EXAMPLES.glob("*.ipynb")):
        with tempfile.TemporaryDirectory() as folder:
            notebook = run(path, folder)
        slim(notebook)
        nbformat.write(notebook, path)
        print(path, path.stat().st_size // 1000, "kB")
