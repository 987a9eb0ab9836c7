"""Which units a program's time goes to. Nothing is imported here."""
