# In: every store of a session, the tables over sessions. Out: <results>/figures/


rule draw_session:
    input:
        binned=rules.bin_recording.output.binned,
        tuning=rules.tune_units.output.tuning,
        folds=rules.split_rows.output.folds,
        features=rules.split_rows.input.features,
        fits=expand(
            rules.predict_rates.input.fits, model=study.models, allow_missing=True
        ),
        predictions=expand(
            rules.predict_rates.output.predictions,
            model=study.models,
            allow_missing=True,
        ),
        intervals=in_blocks(
            rules.infer_filters.output.intervals,
            model=study.inference.interval_models,
        ),
        checks=in_blocks(
            rules.check_fit.output.checks,
            model=study.inference.checks.models,
        ),
        tests=in_blocks(
            rules.test_term.output.test,
            test=study.inference.tests,
        ),
        ceilings=in_blocks(
            rules.measure_ceiling.output.ceiling,
            model=study.inference.ceiling.models,
        ),
        truth=truth_path,
    output:
        svg=[
            report(
                f"<results>/figures/{{session}}/{figure}.svg",
                **in_report(study, figure),
            )
            for figure in catalogue.figures_of(study)
        ],
        csv=expand(
            "<results>/figures/{{session}}/{figure}.csv",
            figure=catalogue.figures_of(study),
        ),
        gathered="<results>/figures/{session}/gathered.json",
        extras=expand(
            "<results>/figures/{{session}}/{file}", file=catalogue.extras_of(study)
        ),
    log:
        "<results>/logs/draw_session/{session}.log",
    benchmark:
        "<results>/benchmarks/draw_session/{session}.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=memory("draw_session"),
        runtime=minutes("draw_session"),
    params:
        study=shown_of_session,
        figures=catalogue.figures_of(study),
        code=digest("draw_session"),
    script:
        "../scripts/draw_session.py"


rule draw_comparison:
    input:
        tables=rules.compare_models.output,
    output:
        svg=[
            report(
                f"<results>/figures/{figure}.svg",
                **in_report(study, figure, overall=True),
            )
            for figure in catalogue.overall_figures_of(study)
        ],
        csv=expand(
            "<results>/figures/{figure}.csv",
            figure=catalogue.overall_figures_of(study),
        ),
        extras=expand(
            "<results>/figures/{file}", file=catalogue.overall_extras_of(study)
        ),
    log:
        "<results>/logs/draw_comparison.log",
    benchmark:
        "<results>/benchmarks/draw_comparison.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=memory("draw_comparison"),
        runtime=minutes("draw_comparison"),
    params:
        study=shown_dump,
        figures=catalogue.overall_figures_of(study),
        code=digest("draw_comparison"),
    script:
        "../scripts/draw_comparison.py"
