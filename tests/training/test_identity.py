"""The identity recipe: which faces share an identity, what it minimises, that it goes on, and what ships."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from stylewav_pl.cli import main
from stylewav_pl.embedders.identity import PocketIdentity, load_identity
from stylewav_pl.generators import load_generator
from stylewav_pl.pocket.faces import Z_DIM, attributes_of, drawing_of
from stylewav_pl.pocket.faces.attributes import IDENTITY, normalise
from stylewav_pl.training import identity, identity_evaluation
from stylewav_pl.training.identity_evaluation import other_identity, verification
from stylewav_pl.training.identity_faces import VERSIONS, WINDOW, people, same_identity
from stylewav_pl.weights.registry import ENTRIES, resolve

STAYS = ("skin_colour", "iris_colour", "nose_size", "head_width", "eye_distance", "freckles")


def noise(count: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(count, Z_DIM, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("identity") / "faces"
    people(path, 6, seed=0, generator=load_generator("pocket"))
    return path


def train(output: Path, faces: Path, **options: int) -> None:
    kept = identity.faces_beside(output, 6, 0, "pocket")
    kept.write_bytes(faces.read_bytes())  # as an earlier start left them
    identity.train(output, steps=4, identities=6, threads=torch.get_num_threads(), progress=False, **options)


def test_an_identity_stays_and_all_the_rest_is_drawn_anew() -> None:
    z = noise(500)
    other = same_identity(z, torch.Generator().manual_seed(2))
    assert torch.allclose(other.norm(dim=1), z.norm(dim=1), rtol=1e-4)
    before, after = normalise(z), normalise(other)
    for place in range(Z_DIM):
        pair = torch.stack([before[:, place], after[:, place]])
        correlation = torch.corrcoef(pair)[0, 1]
        assert (correlation > 0.9999) if place in IDENTITY else (correlation.abs() < 0.2)


def test_a_face_of_the_same_sex_and_age_keeps_what_is_drawn_of_identity() -> None:
    z = noise(200)
    other = same_identity(z, torch.Generator().manual_seed(2))
    other[:, :2] = z[:, :2] / z.norm(dim=1, keepdim=True) * other.norm(dim=1, keepdim=True)  # sex and age
    before, after = (drawing_of(attributes_of(one)) for one in (z, other))
    for name in STAYS:
        pair = torch.stack([getattr(one, name).flatten() for one in (before, after)])
        assert torch.corrcoef(pair)[0, 1] > 0.99, name
    assert (before.clothes_colour - after.clothes_colour).abs().mean() > 0.1


def test_a_look_alike_shares_everything_but_identity() -> None:
    z, strangers = noise(50), noise(50, seed=2)
    alike = other_identity(z, strangers)
    rest = [place for place in range(Z_DIM) if place not in IDENTITY]
    assert torch.equal(alike[:, rest], z[:, rest])
    theirs = strangers / strangers.norm(dim=1, keepdim=True) * z.norm(dim=1, keepdim=True)
    torch.testing.assert_close(alike[:, list(IDENTITY)], theirs[:, list(IDENTITY)])


def test_stored_faces_are_made_once(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stylewav_pl.training.identity_faces.render", lambda *_: pytest.fail("drawn again"))
    found = people(faces, 6, seed=0, generator=load_generator("pocket"))
    assert found.pixels.shape == (6, VERSIONS, 3, WINDOW, WINDOW) and found.identities.shape[0] == 6
    rows, versions = torch.tensor([5, 5]), torch.tensor([0, 2])
    drawn, generated = found.images(rows, versions)
    assert drawn.std() > 0.1 and (drawn - generated).abs().mean() > 0.1


def test_the_contrastive_loss_is_the_slow_one() -> None:
    vectors = torch.nn.functional.normalize(noise(8), dim=1)
    first, second = vectors.chunk(2)
    total = 0.0
    for i in range(8):
        partner = (i + 4) % 8
        others = [float(vectors[i] @ vectors[j]) / 0.2 for j in range(8) if j != i]
        total += float(torch.tensor(others).logsumexp(0)) - float(vectors[i] @ vectors[partner]) / 0.2
    assert identity.contrastive_loss(first, second, 0.2).item() == pytest.approx(total / 8, abs=1e-5)


def test_the_error_rate_is_where_both_errors_are_equal() -> None:
    generator = torch.Generator().manual_seed(0)
    cosines = torch.randn(120, 120, generator=generator)
    cosines += 2.0 * torch.eye(120)
    own = cosines.diagonal()
    strangers = cosines[~torch.eye(120, dtype=torch.bool)]
    errors = []
    for threshold in torch.linspace(-2, 4, 4001):
        wrong = float((own < threshold).float().mean()), float((strangers >= threshold).float().mean())
        errors.append((abs(wrong[0] - wrong[1]), sum(wrong) / 2))
    found = verification(cosines)
    assert found["equal error rate"] == pytest.approx(min(errors)[1], abs=0.01)  # 16 % in theory
    assert found["nearer than strangers"] == pytest.approx(
        float((strangers[None] < own[:, None]).float().mean()), abs=1e-6
    )


def test_an_interrupted_training_ends_like_an_uninterrupted_one(
    tmp_path: Path, faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(tmp_path / "whole", faces)
    step = identity.IdentityTraining.step

    def interrupted(self: identity.IdentityTraining, number: int, steps: int) -> dict[str, float]:
        if number == 3:
            raise KeyboardInterrupt
        return step(self, number, steps)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(identity.IdentityTraining, "step", interrupted)
        train(tmp_path / "parts", faces, save_every=2)
    load_identity(tmp_path / "parts")  # unfinished, but usable
    train(tmp_path / "parts", faces, save_every=2)
    whole, parts = load_file(tmp_path / "whole"), load_file(tmp_path / "parts")
    for name, tensor in whole.items():
        torch.testing.assert_close(parts[name], tensor, msg=name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["parts", "whole"]


def test_faces_of_other_settings_are_not_learned_from(
    tmp_path: Path, faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []

    def stop(path: Path, *_: object) -> None:
        asked.append(path)
        raise KeyboardInterrupt

    monkeypatch.setattr(identity, "people", stop)
    for seed in (1, 0):
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "network", faces, seed=seed)
    other, own = asked
    assert not other.exists(), "neither used nor left behind"
    assert own.is_file() and sorted(tmp_path.iterdir()) == [own]


def test_the_command_trains_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "people", lambda path, count, *rest: people(path, 4, *rest))
    words = ["pocket", "train", "identity", "-o", str(tmp_path), "--steps", "1"]
    assert main([*words, "--threads", str(torch.get_num_threads())]) == 0
    assert isinstance(load_identity(tmp_path / "identity.safetensors"), PocketIdentity)


def test_what_ships_tells_whose_a_face_is() -> None:
    figures = identity_evaluation.evaluate("pocket-identity", count=40)
    for name, least in (("drawn", 0.98), ("generated", 0.97)):
        assert figures[name]["nearer than strangers"] > least
        assert figures[name]["told from look-alikes"] > 0.9
        assert figures[name]["equal error rate"] < 0.1
    judged = identity_evaluation.evaluate("pocket-judge", count=10)
    assert judged["drawn"]["told from look-alikes"] < 0.2  # a CLIP model sees looks


def test_all_that_ships_is_small() -> None:
    assert resolve("pocket-identity", "identity").stat().st_size < 120_000
    shipped = resolve("pocket", "generator").parent.glob("*.safetensors")
    assert sum(path.stat().st_size for path in shipped) < 16_000_000
    assert {entry.kind for entry in ENTRIES if entry.name == "pocket-identity"} == {"identity"}
