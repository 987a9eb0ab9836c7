"""A project of many files: learned, tuned unit by unit, proved as a whole. Nothing is imported here."""
