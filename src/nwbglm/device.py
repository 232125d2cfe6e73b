"""What fits run on: said in the log, and refused where it is not what was asked for."""

from __future__ import annotations

import logging
import os
import platform

from nwbglm.errors import StudyError

log = logging.getLogger(__name__)


def use_device(gpus: int) -> str:
    """Start JAX, say what it computes on, and refuse the processor where GPUs were asked for.

    JAX falls back to the processor in silence where it finds no GPU, or has no CUDA: a job would hold a GPU without
    using it, for many times the time.

    Parameters
    ----------
    gpus
        How many GPUs the job has asked for (the resource ``gpu``).

    Returns
    -------
    str
        The backend, the device, its number and JAX's version, in words.

    Raises
    ------
    StudyError
        GPUs were asked for, and JAX has none.
    """
    import jax

    backend, devices = jax.default_backend(), jax.devices()
    kinds = ", ".join(sorted({device.device_kind for device in devices}))
    words = f"backend {backend}, {len(devices)} x {kinds}, JAX {jax.__version__}, {platform.node()}"
    if backend == "cpu":
        words += f", {os.environ.get('OMP_NUM_THREADS', 'all')} threads"
    log.info("device: %s", words)
    if gpus > 0 and backend == "cpu":
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        raise StudyError(
            f"{gpus} GPU was asked for and JAX found none ({words}; CUDA_VISIBLE_DEVICES={visible!r})",
            where="fit.gpus",
            mend='name the GPU partition, install JAX with CUDA there (pip install "jax[cuda12]", envs/gpu.yaml); '
            "or say that the processor will do: `fit: {gpus: 0}`, or --set-resources fit_model:gpu=0",
        )
    return words
