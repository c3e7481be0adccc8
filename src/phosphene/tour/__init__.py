"""One page that walks through everything, on one photograph: `phosphene tour`."""

from phosphene.tour.tour import tour

__all__ = ["tour"]
