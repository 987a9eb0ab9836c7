"""What plain clang gives without a search: its builds of one program, checked and held against each other."""
