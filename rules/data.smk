# In: a recording and its audit. Out: <results>/binned/, <results>/tuning/


rule bin_recording:
    input:
        nwb=recording_path,
        audit=rules.audit_recording.output.audit,
    output:
        binned=ensure("<results>/binned/{session}.zarr.zip", non_empty=True),
    log:
        "<results>/logs/bin_recording/{session}.log",
    benchmark:
        "<results>/benchmarks/bin_recording/{session}.tsv"
    conda:
        "../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=memory(2500, 2),
        runtime=minutes(60),
    params:
        streamed=streamed,
        data=study.data.dump(),
        bad_sessions=study.bad_sessions,
        code=digest("bin_recording"),
    script:
        "../scripts/bin_recording.py"


rule tune_units:
    input:
        nwb=recording_path,
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
        mem_mb=memory(1500, 4),
        runtime=minutes(60),
    params:
        streamed=streamed,
        data=study.data.dump(),
        code=digest("tune_units"),
    script:
        "../scripts/tune_units.py"
