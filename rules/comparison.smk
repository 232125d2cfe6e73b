# In: the fits of every session. Out: <results>/comparison/*.parquet, <results>/figures/


rule compare_models:
    input:
        audits=expand(rules.audit_recording.output.audit, session=every_recording),
        binned=expand(
            rules.bin_recording.output.binned,
            session=every_binned,
        ),
        tuning=expand(rules.tune_units.output.tuning, session=study.sessions),
        fits=expand(
            rules.predict_rates.input.fits,
            session=every_session,
            model=study.models,
        ),
        tests=expand(
            rules.test_term.output.test,
            test=study.inference.tests,
            session=every_session,
            block=unit_blocks,
        ),
        intervals=expand(
            rules.infer_filters.output.intervals,
            model=study.inference.interval_models,
            session=every_session,
            block=unit_blocks,
        ),
        checks=expand(
            rules.check_fit.output.checks,
            model=study.inference.checks.models,
            session=every_session,
            block=unit_blocks,
        ),
        worth=expand(
            rules.weigh_terms.output.worth,
            model=study.inference.worth.models,
            session=every_session,
            block=unit_blocks,
        ),
        ceiling=expand(
            rules.measure_ceiling.output.ceiling,
            model=study.inference.ceiling.models,
            session=study.sessions,
            block=unit_blocks,
        ),
        controls=expand(
            rules.run_control.output.control,
            control=study.inference.controls,
            session=study.sessions,
            block=unit_blocks,
        ),
    output:
        scores="<results>/comparison/scores.parquet",
        pairs="<results>/comparison/pairs.parquet",
        units="<results>/comparison/units.parquet",
        sessions="<results>/comparison/sessions.parquet",
        fits="<results>/comparison/fits.parquet",
        tests="<results>/comparison/tests.parquet",
        population="<results>/comparison/population.parquet",
        intervals="<results>/comparison/intervals.parquet",
        checks="<results>/comparison/checks.parquet",
        worth="<results>/comparison/worth.parquet",
        ceiling="<results>/comparison/ceiling.parquet",
        controls="<results>/comparison/controls.parquet",
        preferences="<results>/comparison/preferences.parquet",
        selection="<results>/comparison/selection.parquet",
    log:
        "<results>/logs/compare_models.log",
    benchmark:
        "<results>/benchmarks/compare_models.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000, 5),
        runtime=minutes(60),
    params:
        fdr=study.inference.fdr.dump(),
        animals=study.inference.animals,
        selection=study.inference.selection.models,
        seed=study.seed,
        code=digest("compare_models"),
    script:
        "../scripts/compare_models.py"
