# What a run is to leave behind, and what is said at its start and its end.


stores = [
    expand(rules.tune_units.output.tuning, session=every_session),
    expand(
        rules.build_features.output.features,
        term=study.used_terms,
        session=every_session,
    ),
    expand(rules.split_rows.output.folds, session=every_session),
    expand(
        rules.predict_rates.output.predictions,
        model=study.models,
        session=every_session,
    ),
    rules.compare_models.input.binned,
    rules.compare_models.input.fits,
    rules.compare_models.input.tests,
    rules.compare_models.input.intervals,
    rules.compare_models.input.checks,
    rules.draw_comparison.output,
    expand(rules.draw_session.output, session=every_session),
]


onstart:
    refuse_far_jobs()
    say(
        [
            f"study '{study.study}', {sessions_of(study)}",
            f"it asks for {cost_of(study).text()}",
        ]
    )
    say(f"warning: {line}" for line in advice(study))


onsuccess:
    from nwbglm.planning.plan import said_and_took
    from nwbglm.report.last_words import failed_figures, last_words

    say([*last_words(study, RESULTS), said_and_took(study, RESULTS)])
    say([f"report: {RESULTS / 'report' / 'index.html'}"])
    if failed := failed_figures(study, RESULTS):
        raise WorkflowError(*failed, "the report is complete but for these figures")


onerror:
    from nwbglm.report.last_words import GO_ON, why_it_ended

    say([why_it_ended(log), GO_ON])
