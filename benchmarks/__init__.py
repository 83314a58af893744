"""Benchmarks: costs as ratios of times that are measured in one run. `make benchmark` runs them."""
