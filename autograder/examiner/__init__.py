"""Who runs what, where? Rebuilds a submission, executes it in a kernel, and reads the verdicts."""
