"""Faithfulness: does the network depend on the places that a map names, and does the map depend on the network?

Read in this order: `maps` (every map of an explanation, in the same patches), `controls` (maps that know nothing of the
network), `curves` (deletion and insertion), `metrics` (infidelity and sensitivity), `measurement` (all of these for
every map of an explanation), `randomisation` (the maps under a network with random weights).
"""

from dan_model.explain.faithfulness.curves import CURVES
from dan_model.explain.faithfulness.maps import FUSION, PATCHES, MapName, in_patches, map_names, new_map, shown_map
from dan_model.explain.faithfulness.measurement import (
    EDGES,
    RANDOM,
    Faithfulness,
    MapFaithfulness,
    measure_faithfulness,
)
from dan_model.explain.faithfulness.randomisation import UPPER_LAYERS, ParameterRandomisation, measure_randomisation

__all__ = [
    "CURVES",
    "EDGES",
    "FUSION",
    "PATCHES",
    "RANDOM",
    "UPPER_LAYERS",
    "Faithfulness",
    "MapFaithfulness",
    "MapName",
    "ParameterRandomisation",
    "in_patches",
    "map_names",
    "measure_faithfulness",
    "measure_randomisation",
    "new_map",
    "shown_map",
]
