"""One page that walks through everything, on one photograph: `phosphene tour`."""
