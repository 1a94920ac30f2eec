"""Scripts that measure, each with the result table that it wrote under `benchmarks/results`."""
