"""Which pipeline texts a libLLVM takes: run as a file, ``python probe.py LIBRARY MODULE TEXTS``.

TEXTS is a JSON list. Each is run on the (empty) module; the numbers of those that work are printed, and a line
``at N`` before each, so that the caller can go on after one that crashes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    from colt_llvm.errors import ColtError
    from colt_llvm.llvm.library import Library
    from colt_llvm.llvm.module import Module, TargetMachine

    library = Library.load(arguments[0])
    bitcode = Path(arguments[1]).read_bytes()
    for number, text in enumerate(json.loads(Path(arguments[2]).read_text())):
        sys.stdout.write(f"at {number}\n")
        sys.stdout.flush()
        try:
            with Module.parse(library, bitcode) as module:
                module.run(text, TargetMachine(library, module.triple, 2))
        except ColtError:
            continue
        sys.stdout.write(f"{number}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
