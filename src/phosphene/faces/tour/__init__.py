"""One page that walks through everything, on one photograph: `phosphene tour`."""

from phosphene.faces.tour.page import tour

__all__ = ["tour"]
