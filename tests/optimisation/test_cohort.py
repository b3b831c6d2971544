"""What the optimisation of a cohort asks of its networks."""

import pytest
from one_cohort import fit

pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers.*")  # one cohort needs none


def test_every_network_is_called_as_often_as_needed() -> None:
    _, model = fit(["a", "b"], num_steps=7)
    assert (len(model.generator.asked), model.guide.calls, model.audio.calls) == (8, 8, 1)
