"""What makes two starts different runs."""

from typing import Any

import pytest

from stylewav_pl.runs.identity import differences

CONFIG: dict[str, Any] = {
    "seed_everything": 0,
    "run": "a",
    "strict": False,
    "trainer": {"devices": 1, "accelerator": "cpu", "precision": None},
    "model": {"num_steps": 10, "frame_steps": [], "optimizer": {"init_args": {"lr": 0.1}}},
    "data": {
        "num_workers": 2,
        "cohort_size": 4,
        "sources": [{"class_path": "Files", "init_args": {"paths": ["a.wav"], "prefix": ""}}],
    },
    "weights": {"generator": {"sha256": "aa"}},
}


def changed(name: str, value: Any) -> dict[str, Any]:
    def put(node: Any, keys: list[str]) -> Any:
        if not keys:
            return value
        if isinstance(node, list):
            return [put(item, keys[1:]) if index == int(keys[0]) else item for index, item in enumerate(node)]
        return {**node, keys[0]: put(node.get(keys[0]), keys[1:])}

    return put(CONFIG, name.split("."))  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("name", "value"),
    [("trainer.devices", 4), ("trainer.accelerator", "gpu"), ("data.num_workers", 0), ("run", "b"),
     ("strict", True), ("trainer.logger", {"a": 1}),
     ("data.sources.0.init_args.paths", ["a.wav", "b.wav"]), ("data.sources.0.init_args.paths", []),
     ("data.sources.0.init_args.root", "elsewhere")],
)  # fmt: skip
def test_where_and_how_loud_is_free(name: str, value: Any) -> None:
    assert differences(CONFIG, changed(name, value)) == []


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("seed_everything", 1, "seed_everything: 0 -> 1"),
        ("model.num_steps", 40, "model.num_steps: 10 -> 40"),
        ("model.optimizer.init_args.lr", 0.2, "model.optimizer.init_args.lr: 0.1 -> 0.2"),
        ("trainer.precision", "16-mixed", "trainer.precision: None -> '16-mixed'"),
        ("model.frame_steps", [3], "model.frame_steps.0: (absent) -> 3"),
        ("data.cohort_size", 8, "data.cohort_size: 4 -> 8"),
        ("weights.generator.sha256", "bb", "weights.generator.sha256: 'aa' -> 'bb'"),
        ("data.sources.0.init_args.prefix", "x", "data.sources.0.init_args.prefix: '' -> 'x'"),
    ],
)
def test_what_can_change_a_result_is_named(name: str, value: Any, line: str) -> None:
    assert differences(CONFIG, changed(name, value)) == [line]


def test_a_source_more_is_another_run() -> None:
    more = changed(
        "data.sources",
        [*CONFIG["data"]["sources"], {"class_path": "Folder", "init_args": {"path": "voices"}}],
    )
    assert differences(CONFIG, more) == [
        "data.sources.1.class_path: (absent) -> 'Folder'",
        "data.sources.1.init_args.path: (absent) -> 'voices'",
    ]


def test_a_setting_gone_is_named() -> None:
    without = {key: value for key, value in CONFIG.items() if key != "weights"}
    assert differences(CONFIG, without) == ["weights.generator.sha256: 'aa' -> (absent)"]
