"""Recipes beside the sources: stored, made, listed, verified. Nothing is imported here."""
