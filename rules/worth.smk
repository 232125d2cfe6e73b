# In: the fits of a model and of its parts. Out: <results>/worth/{model}/, <results>/ceiling/{model}/


rule weigh_terms:
    input:
        binned=rules.bin_recording.output.binned,
        folds=rules.split_rows.output.folds,
        features=rules.fit_model.input.features,
        fit=rules.fit_model.output.fit,
        others=lambda wildcards: expand(
            rules.fit_model.output.fit,
            model=study.parts_of(wildcards.model),
            session=wildcards.session,
            block=wildcards.block,
        ),
    output:
        worth=ensure(
            "<results>/worth/{model}/{session}.{block}.zarr.zip", non_empty=True
        ),
    log:
        "<results>/logs/weigh_terms/{model}/{session}.{block}.log",
    benchmark:
        "<results>/benchmarks/weigh_terms/{model}/{session}.{block}.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=memory("weigh_terms"),
        runtime=minutes("weigh_terms"),
    params:
        model=model_settings,
        fit=rules.fit_model.params.fit,
        code=digest("weigh_terms"),
    script:
        "../scripts/weigh_terms.py"


rule measure_ceiling:
    input:
        binned=rules.bin_recording.output.binned,
        folds=rules.split_rows.output.folds,
        features=rules.fit_model.input.features,
        fit=rules.fit_model.output.fit,
    output:
        ceiling=ensure(
            "<results>/ceiling/{model}/{session}.{block}.zarr.zip", non_empty=True
        ),
    log:
        "<results>/logs/measure_ceiling/{model}/{session}.{block}.log",
    benchmark:
        "<results>/benchmarks/measure_ceiling/{model}/{session}.{block}.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=memory("measure_ceiling"),
        runtime=minutes("measure_ceiling"),
    params:
        ceiling=study.inference.ceiling.model_dump(mode="json", exclude={"models"}),
        model=model_settings,
        fit=rules.fit_model.params.fit,
        seed=study.seed,
        code=digest("measure_ceiling"),
    script:
        "../scripts/measure_ceiling.py"
