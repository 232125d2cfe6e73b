"""Compute the tuning curves of a session's units."""

import contextlib
from typing import TYPE_CHECKING

from nwbglm import log, store

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with log.stage(snakemake):
    from nwbglm.recording import open_recording
    from nwbglm.study import DataSettings
    from nwbglm.tuning import tune_units

    binned = store.read(snakemake.input.binned, "binned")
    settings = DataSettings.model_validate(snakemake.params.data)
    joined = binned["recording"].values if "recording" in binned else [snakemake.wildcards.session]
    files = iter(snakemake.input.nwb)
    paths = {name: address or next(files) for name, address in snakemake.params.streamed.items()}
    with contextlib.ExitStack() as stack:
        recordings = [
            stack.enter_context(open_recording(path, session=name, external=settings.audit.external_links))
            for name, path in paths.items()
            if name in joined
        ]
        tuning = tune_units(binned, settings, recordings)
    store.write_derived(tuning, snakemake.output.tuning, "tuning", of=binned, code=snakemake.params.code)
