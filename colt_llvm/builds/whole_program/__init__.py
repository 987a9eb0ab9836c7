"""All units of a program as one module. Nothing is imported here."""
