"""The type checker of the tests: beartype, to which an int is a float, as to every static checker (PEP 484)."""

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
