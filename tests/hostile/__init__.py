"""Files, folders and models made to do harm: nothing is written outside, run, or waited for."""
