"""From a sequence to figures: build, check, measure."""
