"""The rig that the load benchmarks share: it starts stores, fills them, starts servers, makes calls, and collects figures.

Here belongs what more than one benchmark needs. What a benchmark measures, and what its figures mean, belongs to the benchmark.
"""
