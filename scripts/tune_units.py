"""Compute the tuning curves of a session's units."""

import contextlib
from typing import TYPE_CHECKING

from nwbglm import log, store

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with log.stage(snakemake):
    from nwbglm.recording import open_recording
    from nwbglm.study import DataSettings
    from nwbglm.study.places import place_of
    from nwbglm.tuning import tune_units
    from nwbglm.verdict import read_verdict

    binned = store.read(snakemake.input.binned, "binned")
    settings = DataSettings.model_validate(snakemake.params.data)
    joined = binned["recording"].values if "recording" in binned else [snakemake.wildcards.session]
    audits = [
        audit.at(place_of(snakemake.config, audit.session, snakemake.input.nwb))
        for audit in map(read_verdict, snakemake.input.audits)
        if audit.session in joined
    ]
    with contextlib.ExitStack() as stack:
        recordings = [
            stack.enter_context(
                open_recording(audit.source, session=audit.session, external=settings.audit.external_links)
            )
            for audit in audits
        ]
        tuning = tune_units(binned, settings, recordings)
    for audit in audits:
        audit.raise_if_changed()
    store.write_derived(
        tuning, snakemake.output.tuning, "tuning", of=binned, inputs=snakemake.input, code=snakemake.params.code
    )
