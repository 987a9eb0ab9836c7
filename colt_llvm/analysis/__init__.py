"""Experiments analysed: cells in, statistics, tables and pictures out.

results = load_results(Path("results"))
write_tables(results, Path("tables"))
write_pictures(results, Path("pictures"))
"""

from __future__ import annotations

from colt_llvm.analysis.cells import Results, load_results
from colt_llvm.analysis.groups import Group, group_cells
from colt_llvm.analysis.pictures import write_pictures
from colt_llvm.analysis.summary import Summary, summarise
from colt_llvm.analysis.tables import write_tables

__all__ = ["Group", "Results", "Summary", "group_cells", "load_results", "summarise", "write_pictures", "write_tables"]
