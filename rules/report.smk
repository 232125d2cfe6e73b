# In: tables, audits and figures of all sessions. Out: <results>/report/


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
        index=report(
            "<results>/report/index.html",
            category="The study",
            labels={"figure": "index of the report (its links need the whole folder)"},
        ),
        files=expand(
            "<results>/report/{file}",
            file=report_files(study)[1:] if planned_here("build_report") else [],
        ),
        checksums="<results>/report/checksums.txt",
    log:
        "<results>/logs/build_report.log",
    benchmark:
        "<results>/benchmarks/build_report.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=memory("build_report"),
        runtime=minutes("build_report"),
    params:
        study=study_dump,
        code=digest("build_report"),
    script:
        "../scripts/build_report.py"
