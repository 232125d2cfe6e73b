"""What a study will cost: each job's work, from sizes that are known before it runs, and what such work took before.

Light on purpose: the Snakefile asks it what every job needs.
"""
