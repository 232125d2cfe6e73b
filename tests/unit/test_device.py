"""Fits run on what was asked for, or say why not."""

import pytest

from nwbglm.device import use_device
from nwbglm.errors import StudyError

jax = pytest.importorskip("jax")


def test_the_device_is_named():
    words = use_device(0)
    assert f"backend {jax.default_backend()}" in words and jax.__version__ in words


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="there is a GPU here")
def test_a_processor_in_the_place_of_a_gpu_is_refused_with_a_mend():
    with pytest.raises(StudyError, match="1 GPU was asked for and JAX found none") as refused:
        use_device(1)
    assert "--set-resources fit_model:gpu=0" in str(refused.value)
