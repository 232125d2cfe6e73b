"""Compute the tuning curves of a session's units."""

from typing import TYPE_CHECKING

from nwbglm import log, store

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with log.stage(snakemake):
    from nwbglm.recording import open_recording
    from nwbglm.study import DataSettings
    from nwbglm.tuning import tune_units

    binned = store.read(snakemake.input.binned, "binned")
    session, settings = snakemake.wildcards.session, DataSettings.model_validate(snakemake.params.data)
    nwb = snakemake.params.streamed or snakemake.input.nwb
    with open_recording(nwb, session=session, external=settings.audit.external_links) as recording:
        tuning = tune_units(binned, settings, recording)
    store.write_derived(tuning, snakemake.output.tuning, "tuning", of=binned, code=snakemake.params.code)
