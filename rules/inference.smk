# In: the fits of a model, and what they were made of. Out: <results>/tests/{test}/,
# <results>/intervals/{model}/, <results>/checks/{model}/


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
        )[0],
        others=lambda wildcards: expand(
            rules.bin_recording.output.binned,
            session=study.others(wildcards.test, wildcards.session),
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
        mem_mb=memory("test_term"),
        runtime=minutes("test_term"),
    params:
        test=lambda wildcards: study.inference.tests[wildcards.test].dump(),
        model=lambda wildcards: study.model_settings(tested(wildcards)).dump(),
        fit=rules.fit_model.params.fit,
        drift=lambda wildcards: study.rest_has_drift(wildcards.test),
        drawn=lambda wildcards: [
            fingerprint(path, ".snakemake/nwbglm.json")
            for path in [study.draws_file(wildcards.test, wildcards.session)]
            if path
        ],
        seed=study.seed,
        code=digest("test_term"),
    script:
        "../scripts/test_term.py"


rule infer_filters:
    input:
        binned=rules.bin_recording.output.binned,
        folds=rules.split_rows.output.folds,
        features=rules.fit_model.input.features,
        fit=rules.fit_model.output.fit,
    output:
        intervals=ensure(
            "<results>/intervals/{model}/{session}.{block}.zarr.zip", non_empty=True
        ),
    log:
        "<results>/logs/infer_filters/{model}/{session}.{block}.log",
    benchmark:
        "<results>/benchmarks/infer_filters/{model}/{session}.{block}.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=memory("infer_filters"),
        runtime=minutes("infer_filters"),
    params:
        intervals=study.inference.intervals.model_dump(mode="json", exclude={"models"}),
        model=model_settings,
        fit=rules.fit_model.params.fit,
        drift=lambda wildcards: study.has_drift(model_terms(wildcards)),
        code=digest("infer_filters"),
    script:
        "../scripts/infer_filters.py"


rule check_fit:
    input:
        binned=rules.bin_recording.output.binned,
        folds=rules.split_rows.output.folds,
        features=rules.fit_model.input.features,
        fit=rules.fit_model.output.fit,
    output:
        checks=ensure(
            "<results>/checks/{model}/{session}.{block}.zarr.zip", non_empty=True
        ),
    log:
        "<results>/logs/check_fit/{model}/{session}.{block}.log",
    benchmark:
        "<results>/benchmarks/check_fit/{model}/{session}.{block}.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=memory("check_fit"),
        runtime=minutes("check_fit"),
    params:
        model=model_settings,
        fit=rules.fit_model.params.fit,
        seed=study.seed,
        code=digest("check_fit"),
    script:
        "../scripts/check_fit.py"
