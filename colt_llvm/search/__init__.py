"""The search of arXiv 2602.01935, pure: it runs nothing, reads no clock, and draws all randomness from a seed.

Reading order: protocol (what is asked and told), options, tree, selection,
and colt, which puts them together. What it is compared with: sequences, greedy, genetic.
"""

from __future__ import annotations

from colt_llvm.search.colt import ColtSearch
from colt_llvm.search.model_set import ModelStatistics, Statistics
from colt_llvm.search.options import PRESETS, ColtOptions, preset
from colt_llvm.search.pareto import ParetoFront, pareto_front
from colt_llvm.search.protocol import Kind, Model, Outcome, Proposal, Request, Strategy, Trial
from colt_llvm.search.refining import Refiner
from colt_llvm.search.rivals.at_random import DrawOptions, RandomProposer, RandomSequences
from colt_llvm.search.rivals.genetic import GeneticOptions, GeneticSearch
from colt_llvm.search.rivals.greedy import GreedyOptions, GreedySearch
from colt_llvm.search.sequences import ActionSet, SequenceSearch
from colt_llvm.search.tree import Node, Tree

__all__ = [
    "PRESETS",
    "ActionSet",
    "ColtOptions",
    "ColtSearch",
    "DrawOptions",
    "GeneticOptions",
    "GeneticSearch",
    "GreedyOptions",
    "GreedySearch",
    "Kind",
    "Model",
    "ModelStatistics",
    "Node",
    "Outcome",
    "ParetoFront",
    "Proposal",
    "RandomProposer",
    "RandomSequences",
    "Refiner",
    "Request",
    "SequenceSearch",
    "Statistics",
    "Strategy",
    "Tree",
    "Trial",
    "pareto_front",
    "preset",
]
