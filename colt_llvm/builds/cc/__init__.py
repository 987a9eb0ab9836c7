"""``colt-cc``, the compiler of a build: clang, with recipes where they fit. Nothing is imported here."""
