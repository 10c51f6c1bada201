"""How long things take, as ratios within one run or against figures of the specification: ``python -m benchmarks``."""
