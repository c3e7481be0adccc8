"""What a network is made of, what its units look for, and what it says."""

from phosphene.features.accentuate import accentuate
from phosphene.features.activation_grid import activation_grid
from phosphene.features.architecture import architecture
from phosphene.features.atlas import atlas
from phosphene.features.caricature import caricature
from phosphene.features.context import context
from phosphene.features.facets import facets
from phosphene.features.gallery import gallery
from phosphene.features.interpolate import interpolate
from phosphene.features.predict import predict
from phosphene.features.visualize import visualize
from phosphene.features.weights import weights

__all__ = [
    "accentuate",
    "activation_grid",
    "architecture",
    "atlas",
    "caricature",
    "context",
    "facets",
    "gallery",
    "interpolate",
    "predict",
    "visualize",
    "weights",
]
