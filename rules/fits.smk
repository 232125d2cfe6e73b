# In: binned datasets, folds, feature stores. Out: <results>/fits/{model}/, <results>/predictions/{model}/


rule fit_model:
    input:
        binned=rules.bin_recording.output.binned,
        folds=rules.split_rows.output.folds,
        features=collect(
            rules.build_features.output.features, term=model_terms, allow_missing=True
        ),
    output:
        fit=ensure("<results>/fits/{model}/{session}.{block}.zarr.zip", non_empty=True),
    log:
        "<results>/logs/fit_model/{model}/{session}.{block}.log",
    benchmark:
        "<results>/benchmarks/fit_model/{model}/{session}.{block}.tsv"
    conda:
        "../envs/gpu.yaml" if study.fit.gpus else "../envs/cpu.yaml"
    threads: 1
    resources:
        gpu=study.fit.gpus,
        mem_mb=memory("fit_model"),
        runtime=minutes("fit_model"),
    params:
        model=model_settings,
        fit=study.fit.model_dump(
            mode="json",
            by_alias=True,
            exclude_none=True,
            exclude={"penalty", "folds", "gpus"},
        ),
        code=digest("fit_model"),
    script:
        "../scripts/fit_model.py"


rule predict_rates:
    input:
        binned=rules.bin_recording.output.binned,
        tuning=rules.tune_units.output.tuning,
        folds=rules.split_rows.output.folds,
        features=rules.fit_model.input.features,
        fits=expand(
            rules.fit_model.output.fit,
            block=unit_blocks,
            allow_missing=True,
        ),
    output:
        predictions=ensure(
            "<results>/predictions/{model}/{session}.zarr.zip", non_empty=True
        ),
    log:
        "<results>/logs/predict_rates/{model}/{session}.log",
    benchmark:
        "<results>/benchmarks/predict_rates/{model}/{session}.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=memory("predict_rates"),
        runtime=minutes("predict_rates"),
    params:
        window=study.figures.window.dump(),
        code=digest("predict_rates"),
    script:
        "../scripts/predict_rates.py"
