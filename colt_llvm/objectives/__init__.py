"""What a search makes better: each objective declared once, in one file."""
