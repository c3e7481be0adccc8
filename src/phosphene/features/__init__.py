"""What units look for, and what a network says."""

from phosphene.features.predict import predict
from phosphene.features.visualize import visualize
from phosphene.features.weights import weights

__all__ = ["predict", "visualize", "weights"]
