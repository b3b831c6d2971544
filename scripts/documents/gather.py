"""Gathers the pages of the documentation site in one folder.

Those of docs/, the model card, and the notebooks of examples/.

Usage: ``python scripts/documents/gather.py FOLDER``.
"""

import base64
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat

MODEL_CARD = Path("stylewav_pl/pocket/weights/README.md")
# Pages outside of docs/, as the pages there call them, and where they are in the site.
ELSEWHERE = {f"../{MODEL_CARD}": "model-card.md"}


def gather(folder: Path) -> None:
    """Fills a folder anew."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree("docs", folder)
    for page in folder.glob("*.md"):
        page.write_text(with_links(page.read_text("utf-8"), ELSEWHERE), encoding="utf-8")
    shutil.copy(MODEL_CARD, folder / "model-card.md")
    for notebook in sorted(Path("examples").glob("*.ipynb")):
        write_notebook(notebook, folder / "examples")


def with_links(text: str, targets: Mapping[str, str]) -> str:
    """Returns a page whose links to some files lead to others.

    >>> with_links("[card](../a/README.md#figures)", {"../a/README.md": "card.md"})
    '[card](card.md#figures)'
    """
    for old, new in targets.items():
        text = re.sub(rf"\]\({re.escape(old)}(?=[#)])", f"]({new}", text)
    return text


def write_notebook(notebook: Path, folder: Path) -> None:
    """Writes a notebook with its outputs as a page, and its pictures beside it."""
    folder.mkdir(exist_ok=True)
    cells = nbformat.read(notebook, as_version=4).cells
    parts = [
        part
        for number, cell in enumerate(cells)
        for part in parts_of(cell, f"{notebook.stem}-{number}", folder)
    ]
    (folder / f"{notebook.stem}.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def parts_of(cell: Any, name: str, folder: Path) -> Iterator[str]:
    """Yields the Markdown of a cell; ``name`` begins the names of its pictures."""
    if cell.cell_type == "markdown":
        yield with_links(
            cell.source, {"../docs/direct.md": "../direct.md", "../docs/traits.md": "../traits.md"}
        )
        return
    yield f"```python\n{cell.source}\n```"
    for number, output in enumerate(cell.outputs):
        data = output.get("data", {})
        kinds = {
            kind: suffix for kind, suffix in (("image/jpeg", "jpg"), ("image/png", "png")) if kind in data
        }
        for kind, suffix in kinds.items():
            picture = folder / f"{name}-{number}.{suffix}"
            picture.write_bytes(base64.b64decode(data[kind]))
            yield f"![what the cell above shows]({picture.name})"
        text = output.get("text") or data.get("text/plain", "")
        if text and not kinds:
            yield f"```text\n{text.rstrip()}\n```"


if __name__ == "__main__":
    gather(Path(sys.argv[1]))
