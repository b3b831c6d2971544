"""Coarse steps and full ones, through a real trainer."""

import pytest
import torch
from one_cohort import fit

from stylewav_pl.embedders.linear import LinearAudioEmbedder, LinearImageTextEmbedder
from stylewav_pl.errors import ConfigError
from stylewav_pl.generators import LinearGenerator
from stylewav_pl.module import StyleWav
from stylewav_pl.optimisation.phases import Refinement

pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers.*")  # one cohort needs none


def test_coarse_steps_come_first_and_the_end_is_at_full_resolution() -> None:
    result, model = fit(
        ["a", "b"], num_steps=10, refinement=Refinement(4, full_steps=3), frame_steps=(0, 9, 10)
    )
    assert model.generator.asked == [4, 8, *[4] * 6, *[8] * 3, 8]  # one more at 8 px for the frame of step 0
    assert result.curves.shape == (2, 11)
    assert result.images.shape[-1] == result.frames.shape[-1] == 8 and result.starts.shape[-1] == 4
    torch.testing.assert_close(
        result.curves[:, -1], (model.guide.embed_image(result.images) * result.targets).sum(dim=1)
    )
    torch.testing.assert_close(result.images, LinearGenerator().synthesize(result.latents))
    assert (result.curves[:, -1] > result.curves[:, 0] + 0.2).all()


def test_the_full_resolution_as_coarse_one_changes_nothing() -> None:
    exact, _ = fit(["a", "b"])
    same, _ = fit(["a", "b"], refinement=Refinement(8))
    few, _ = fit(["a", "b"], refinement=Refinement(4, full_steps=10))
    assert torch.equal(exact.latents, same.latents) and torch.equal(exact.latents, few.latents)


@pytest.mark.parametrize("resolution", [3, 16])
def test_a_resolution_that_the_generator_lacks_is_refused(resolution: int) -> None:
    networks = LinearGenerator(), LinearImageTextEmbedder(), LinearAudioEmbedder()
    with pytest.raises(ConfigError, match=rf"Expected a resolution .*1, 2, 4, 8.* found {resolution}"):
        StyleWav(*networks, cohort_size=1, refinement=Refinement(resolution))


def test_a_negative_number_of_steps_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"Expected model.refinement.full_steps of at least 0 .*found -1"):
        Refinement(full_steps=-1)
