# In: binned datasets. Out: <results>/features/{term}/ (one store a term, shared by all models that use it), <results>/folds/


rule build_features:
    input:
        binned=rules.bin_recording.output.binned,
    output:
        features=ensure("<results>/features/{term}/{session}.zarr.zip", non_empty=True),
    log:
        "<results>/logs/build_features/{term}/{session}.log",
    benchmark:
        "<results>/benchmarks/build_features/{term}/{session}.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=memory("build_features"),
        runtime=minutes("build_features"),
    params:
        term=term_settings,
        code=digest("build_features"),
    script:
        "../scripts/build_features.py"


rule split_rows:
    input:
        binned=rules.bin_recording.output.binned,
        features=expand(
            rules.build_features.output.features,
            term=study.used_terms,
            allow_missing=True,
        ),
    output:
        folds=ensure("<results>/folds/{session}.zarr.zip", non_empty=True),
    log:
        "<results>/logs/split_rows/{session}.log",
    benchmark:
        "<results>/benchmarks/split_rows/{session}.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=memory("split_rows"),
        runtime=minutes("split_rows"),
    params:
        folds=study.fit.folds.dump(),
        seed=study.seed,
        code=digest("split_rows"),
    script:
        "../scripts/split_rows.py"
