"""The short help of an experiment's commands: what people set first, on one screen, at once.

The parser's own help names every setting of the trainer and of each class, which takes hundreds of lines and
the import of everything; ``--help-all`` prints it.
"""

from typing import NamedTuple

WIDTH = 34


class Entry(NamedTuple):
    """One option.

    Attributes:
        option: With its two dashes.
        value: What follows it; empty for a switch.
        text: What it does.
        default: As a configuration would write it; empty where the text says it, or there is none.
    """

    option: str
    value: str
    text: str
    default: str = ""


PURPOSES = {
    "fit": "Makes a face for every clip, scores the faces, and writes tables, statistics and report.",
    "validate": "Checks configuration, weights and data, prints plan and skips, and makes nothing.",
    "test": "Scores the images of a finished run again: other prompts, another judge.",
    "predict": "Renders the latents of a finished run again: other size, nearer to the mean face, film.",
}
RUN = (
    Entry("--config", "YAML", "experiment, then overlays: files, or shipped ones (demo, sex)"),
    Entry("--run", "DIR", "run directory; by default runs/NAMES of the configurations"),
    Entry("--restart", "", "move an existing DIR to DIR.old-N and begin anew"),
    Entry("--strict", "", "exit code 3 if a clip was skipped"),
    Entry("--max_skipped_fraction", "X", "exit code 4 if more than this share was skipped", "0.2"),
    Entry("--seed_everything", "N", "seed of the run; each clip's own follows from it", "0"),
    Entry("--threads", "N", "CPU threads of each process; by default all cores"),
)
MODEL = (
    Entry("--model.generator", "SOURCE", "name or file of its weights", "pocket"),
    Entry("--model.guide", "SOURCE", "the CLIP model that guides the steps", "pocket"),
    Entry("--model.audio", "SOURCE", "the audio encoder", "pocket"),
    Entry("--model.num_steps", "N", "optimisation steps", "10"),
    Entry("--model.latent_space", "CLASS", "what is optimised: W, WPlus or S; W by default"),
    Entry("--model.optimizer", "CLASS", "then its settings: --model.optimizer.lr 0.1"),
    Entry("--model.objective.similarity", "X", "weight of the similarity to the voice", "1.0"),
    Entry("--model.speed.precision", "TYPE", "float32, tfloat32, bfloat16 or float16", "float32"),
)
DATA = (
    Entry("--data.sources", "CLASS", "Folder, Manifest, Shards ...; then --data.sources.path DIR"),
    Entry("--data.cohort_size", "N", "clips side by side; auto: what memory takes", "40"),
    Entry("--data.window", "PART", "center, first, loudest, mean-of-windows", "center"),
    Entry("--data.max_clips", "N", "so many clips for a quick look; by default all"),
    Entry("--data.num_workers", "N", "processes that decode audio", "2"),
)
REST = (
    Entry("--clip_score.judge", "SOURCE", "the CLIP model that scores; by default the guide"),
    Entry("--writer.image", "FORMAT", "png, jpeg, webp, or none: latents alone", "png"),
    Entry("--writer.store", "KIND", "files, or shards: a tar for each cohort", "files"),
    Entry("--trainer.accelerator", "KIND", "cpu, gpu ...", "auto"),
    Entry("--trainer.devices", "N", "processes on this machine", "auto"),
)
ON_CLUSTERS = (
    Entry("--results", "URL", "a copy of the run: s3://BUCKET/PLACE, gs:// or az://"),
    Entry("--engine", "NAME", "lightning, or ray: workers that come and go", "lightning"),
    Entry("--workers", "MIN:MAX", "of --engine ray; by default one for each GPU"),
)
RENDERING = (
    Entry("--resolution", "N", "pixels; by default as the generator makes them"),
    Entry("--truncation", "X", "1: as optimised, 0: the mean face", "1.0"),
    Entry("--truncation_cutoff", "N", "of so many coarse layers; by default all"),
    Entry("--video", "FORMAT", "also a film of each face: auto, mp4, webp or gif"),
)
SECTIONS = {"run": RUN, "model": MODEL, "data": DATA, "scores, output, machine": REST}
ENDING = """\
Configurations set the same (model: {num_steps: 20}). They name classes, which are then
run: use only configurations that you trust. Lists are YAML: --model.frame_steps '[0, 5]'.

  --help-all                       every setting, of the trainer and of each part
  --model.optimizer.help Adam      the settings of one class
  --print_config                   the whole configuration as it would be used

exit codes: 0 done, 2 wrong option, configuration or weights, 3 skips under --strict,
4 too many skips, 5 run directory in use or made by another configuration,
75 stopped by a signal, 130 Ctrl-C, 1 anything else"""


def short_help(command: str) -> str:
    """The help of ``fit``, ``validate``, ``test`` or ``predict``."""
    sections = {"rendering": RENDERING, **SECTIONS} if command == "predict" else SECTIONS
    if command == "fit":
        sections = {**sections, "clusters": ON_CLUSTERS}
    lines = [f"usage: stylewav-pl {command} --config YAML [--config YAML ...] [--SETTING VALUE ...]", ""]
    lines += [PURPOSES[command], ""]
    for title, entries in sections.items():
        lines += [f"{title}:", *map(_line, entries), ""]
    return "\n".join([*lines, ENDING])


def _line(entry: Entry) -> str:
    name = f"  {entry.option} {entry.value}".rstrip()
    default = f" (default: {entry.default})" if entry.default else ""
    return f"{name:<{WIDTH}} {entry.text}{default}"
