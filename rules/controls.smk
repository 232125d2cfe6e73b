# In: what a model was fitted to, and its fits. Out: <results>/controls/{control}/


rule run_control:
    input:
        binned=rules.bin_recording.output.binned,
        folds=rules.split_rows.output.folds,
        features=lambda wildcards: expand(
            rules.build_features.output.features,
            term=study.models[controlled(wildcards)].terms,
            session=wildcards.session,
        ),
        fit=lambda wildcards: expand(
            rules.fit_model.output.fit,
            model=controlled(wildcards),
            session=wildcards.session,
            block=wildcards.block,
        )[0],
    output:
        control=ensure(
            "<results>/controls/{control}/{session}.{block}.zarr.zip", non_empty=True
        ),
    log:
        "<results>/logs/run_control/{control}/{session}.{block}.log",
    benchmark:
        "<results>/benchmarks/run_control/{control}/{session}.{block}.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=memory("run_control"),
        runtime=minutes("run_control"),
    params:
        control=lambda wildcards: study.inference.controls[wildcards.control].dump(),
        model=lambda wildcards: study.model_settings(controlled(wildcards)).dump(),
        fit=rules.fit_model.params.fit,
        seed=study.seed,
        code=digest("run_control"),
    script:
        "../scripts/run_control.py"
