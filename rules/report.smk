# In: every store of a session, the tables over sessions. Out: <results>/figures/, <results>/report/


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
        svg=expand(
            "<results>/figures/{{session}}/{figure}.svg", figure=figures_of(study)
        ),
        csv=expand(
            "<results>/figures/{{session}}/{figure}.csv", figure=figures_of(study)
        ),
        gathered="<results>/figures/{session}/gathered.json",
        extras=expand("<results>/figures/{{session}}/{file}", file=extras_of(study)),
    log:
        "<results>/logs/draw_session/{session}.log",
    benchmark:
        "<results>/benchmarks/draw_session/{session}.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=memory_beside_features(2000, 500),
        runtime=minutes(60),
    params:
        study=shown_of_session,
        figures=figures_of(study),
        code=digest("draw_session"),
    script:
        "../scripts/draw_session.py"


rule draw_comparison:
    input:
        tables=rules.compare_models.output,
    output:
        svg=expand("<results>/figures/{figure}.svg", figure=overall_figures_of(study)),
        csv=expand("<results>/figures/{figure}.csv", figure=overall_figures_of(study)),
        extras=expand("<results>/figures/{file}", file=overall_extras_of(study)),
    log:
        "<results>/logs/draw_comparison.log",
    benchmark:
        "<results>/benchmarks/draw_comparison.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=memory(1500, 5),
        runtime=minutes(30),
    params:
        study=shown_dump,
        figures=overall_figures_of(study),
        code=digest("draw_comparison"),
    script:
        "../scripts/draw_comparison.py"


rule build_report:
    input:
        tables=rules.compare_models.output,
        audits=rules.compare_models.input.audits,
        audit_pages=expand(rules.audit_recording.output.page, session=every_recording),
        binned=rules.compare_models.input.binned,
        folds=expand(rules.split_rows.output.folds, session=every_session),
        svg=expand(rules.draw_session.output.svg, session=every_session),
        csv=expand(rules.draw_session.output.csv, session=every_session),
        gathered=expand(rules.draw_session.output.gathered, session=every_session),
        overall_svg=rules.draw_comparison.output.svg,
        overall_csv=rules.draw_comparison.output.csv,
    output:
        index="<results>/report/index.html",
        files=expand(
            "<results>/report/{file}",
            file=report_files(study)[1:] if planned_here("build_report") else [],
        ),
    log:
        "<results>/logs/build_report.log",
    benchmark:
        "<results>/benchmarks/build_report.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=memory(1500, 5),
        runtime=minutes(30),
    params:
        study=study_dump,
        code=digest("build_report"),
    script:
        "../scripts/build_report.py"
