# In: a recording and its audit. Out: <results>/binned/ (joined sessions, too), <results>/tuning/


rule bin_recording:
    input:
        nwb=made_files,
        audit=rules.audit_recording.output.audit,
    output:
        binned=ensure("<results>/binned/{session}.zarr.zip", non_empty=True),
    log:
        "<results>/logs/bin_recording/{session}.log",
    benchmark:
        "<results>/benchmarks/bin_recording/{session}.tsv"
    wildcard_constraints:
        session=one_of(study.recordings),
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=memory("bin_recording"),
        runtime=minutes("bin_recording"),
    params:
        contents=contents,
        data=study.data.dump(),
        audited_by=digest("audit_recording"),
        code=digest("bin_recording"),
    script:
        "../scripts/bin_recording.py"


rule join_recordings:
    input:
        binned=collect(rules.bin_recording.output.binned, session=members),
    output:
        binned=ensure("<results>/binned/{session}.zarr.zip", non_empty=True),
    log:
        "<results>/logs/join_recordings/{session}.log",
    benchmark:
        "<results>/benchmarks/join_recordings/{session}.tsv"
    wildcard_constraints:
        session=one_of(study.join),
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=memory("join_recordings"),
        runtime=minutes("join_recordings"),
    params:
        match=lambda wildcards: study.join[wildcards.session].match,
        code=digest("join_recordings"),
    script:
        "../scripts/join_recordings.py"


rule tune_units:
    input:
        nwb=made_files,
        audits=collect(rules.audit_recording.output.audit, session=members),
        binned=rules.bin_recording.output.binned,
    output:
        tuning=ensure("<results>/tuning/{session}.zarr.zip", non_empty=True),
    log:
        "<results>/logs/tune_units/{session}.log",
    benchmark:
        "<results>/benchmarks/tune_units/{session}.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=memory("tune_units"),
        runtime=minutes("tune_units"),
    params:
        contents=contents,
        data=study.data.dump(),
        code=digest("tune_units"),
    script:
        "../scripts/tune_units.py"
