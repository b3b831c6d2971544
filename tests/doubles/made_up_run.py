"""A made-up run directory: true layout, drawn discs for faces."""

import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from stylewav_pl.evaluation.prompts import SEX
from stylewav_pl.runs.directory import RunDirectory

HEADER = "id,path,speaker,sex,seed,status,similarity_start,similarity_end," + ",".join(
    f"score: {prompt}" for prompt in SEX.sentences
)
COLOURS = {"male": "#3b6fb6", "female": "#d1495b", "": "#7a7a7a"}


def made_up_run(
    folder: Path, voices: int = 6, unlabelled: int = 1, images: bool = True, effect: float = 0.1
) -> Path:
    """Writes a run of ``voices`` per population with a known effect."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    labels = [*(label for _ in range(voices) for label in SEX.labels), *[""] * unlabelled]
    lines, curves = [HEADER], ["id,0,1,2,3"]
    for index, label in enumerate(labels):
        id = f"voice-{index:03}"
        scores = [0.2 + effect * (own == label) + float(generator.normal(0, 0.03)) for own in SEX.labels]
        lines.append(
            f"{id},voices/{id}.wav,s{index},{label},{index},done,0.1,0.6,{scores[0]:.6f},{scores[1]:.6f}"
        )
        curves.append(f"{id},0.1,0.3,0.5,0.6")
        if images:
            write_face(RunDirectory(folder).image_path(id), COLOURS[label], index)
    lines.append("broken,voices/broken.wav,,,,skipped,,,,")
    (folder / "results.csv").write_text("\n".join(lines) + "\n")
    (folder / "curves.csv").write_text("\n".join(curves) + "\n")
    (folder / "skipped.csv").write_text(
        "id,path,reason,detail\nbroken,voices/broken.wav,silent,Expected sound.\n"
    )
    (folder / "manifest.json").write_text(
        json.dumps({"versions": {"stylewav-pl": "0.1.0", "torch": "2.14.1"}, "seed": 0})
    )
    return folder


def write_face(path: Path, colour: str, index: int = 0) -> None:
    """A disc with eyes on a plain ground, 64 px."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.new("RGB", (64, 64), (200 + index % 50, 220, 230))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((12, 8, 52, 58), fill=colour)
    draw.ellipse((22, 26, 28, 32), fill="white")
    draw.ellipse((36, 26, 42, 32), fill="white")
    picture.save(path)
