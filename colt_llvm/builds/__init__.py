"""Tuned builds: the compilers ``colt-cc`` and ``colt-c++``, recipes beside the sources, tuning a whole project.

Nothing is imported here: a build starts ``wrapper`` once for each file.
"""
