"""Many runs: the plan of a sweep, and who executes it."""
