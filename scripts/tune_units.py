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
    with open_recording(snakemake.input.nwb, session=snakemake.wildcards.session) as recording:
        tuning = tune_units(binned, DataSettings.model_validate(snakemake.params.data), recording)
    store.write_derived(tuning, snakemake.output.tuning, "tuning", of=binned, code=snakemake.params.code)
