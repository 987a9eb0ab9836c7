"""One program: sources and workloads, the front end, the baseline, the recipe that is written of it."""
