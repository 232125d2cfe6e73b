# In: the fits of a model, and what they were made of. Out: <results>/tests/{test}/


def tested(wildcards):
    """The model that a test is about."""
    return study.inference.tests[wildcards.test].model


rule test_term:
    input:
        binned=rules.bin_recording.output.binned,
        folds=rules.split_rows.output.folds,
        features=lambda wildcards: expand(
            rules.build_features.output.features,
            term=study.models[tested(wildcards)].terms,
            session=wildcards.session,
        ),
        fit=lambda wildcards: expand(
            rules.fit_model.output.fit,
            model=tested(wildcards),
            session=wildcards.session,
            block=wildcards.block,
        ),
    output:
        test=ensure("<results>/tests/{test}/{session}.{block}.zarr.zip", non_empty=True),
    log:
        "<results>/logs/test_term/{test}/{session}.{block}.log",
    benchmark:
        "<results>/benchmarks/test_term/{test}/{session}.{block}.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=memory_beside_features(3000, 1.1e-6 * study.fit.memory),
        runtime=minutes(240),
    params:
        test=lambda wildcards: study.inference.tests[wildcards.test].dump(),
        model=lambda wildcards: study.model_settings(tested(wildcards)).dump(),
        fit=rules.fit_model.params.fit,
        drift=lambda wildcards: study.rest_has_drift(wildcards.test),
        seed=study.seed,
        code=digest("test_term"),
    script:
        "../scripts/test_term.py"
