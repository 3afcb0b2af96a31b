"""Proposes a mapping for an unknown log, from a sample of its rows.

Here: the sample, guesses about columns, words and times, and the mapping's file. Not here: reading by a mapping (``readers``).
"""

from presage_training.inspecting.checking import SampleCheck, check_format, check_mapping
from presage_training.inspecting.known_formats import known_format
from presage_training.inspecting.proposal import Proposal, propose
from presage_training.inspecting.sample import Sample, read_sample
from presage_training.inspecting.writing import mapping_toml

__all__ = [
    "Proposal",
    "Sample",
    "SampleCheck",
    "check_format",
    "check_mapping",
    "known_format",
    "mapping_toml",
    "propose",
    "read_sample",
]
