"""Test a term of a model for one block of a session's units."""

from typing import TYPE_CHECKING

from nwbglm import log, store

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with log.stage(snakemake):
    from nwbglm.engine import cache  # after the threads are set
    from nwbglm.inference.stage import test_term
    from nwbglm.study import Fit, Model
    from nwbglm.study.inference import TermTest

    cache.enable(log.compile_cache())
    binned, folds, features, fits = store.read_fitted(snakemake.input)
    found = test_term(
        binned,
        folds,
        features,
        fits,
        test=TermTest.model_validate(snakemake.params.test),
        name=snakemake.wildcards.test,
        model=Model.model_validate(snakemake.params.model),
        fit=Fit.model_validate(snakemake.params.fit),
        drift=snakemake.params.drift,
        block=snakemake.wildcards.block,
        seed=snakemake.params.seed,
        others={other.attrs["session"]: other for other in store.read_included(snakemake.input.others)[0]},
    )
    store.write_derived(
        found,
        snakemake.output.test,
        "tests",
        of=binned,
        inputs=snakemake.input,
        settings={"test": snakemake.params.test, "model": snakemake.params.model, "fit": snakemake.params.fit},
        code=snakemake.params.code,
    )
