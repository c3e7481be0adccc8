"""Facts about a model that are found out once, when they are first needed."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

Value = TypeVar("Value")


class once(Generic[Value]):
    """A fact about a model that is looked for when it is first needed, while nobody else uses the model.

    `functools.cached_property` has one lock for all instances before Python 3.12: two models would take turns.
    """

    def __init__(self, look: Callable[[Any], Value]) -> None:
        self.look, self.name, self.__doc__ = look, look.__name__, look.__doc__

    def __get__(self, anatomy: Any, owner: Any = None) -> Value:
        if anatomy is None:
            return cast(Value, self)
        known = vars(anatomy)
        with anatomy.locks:
            if self.name not in known:
                known[self.name] = self.look(anatomy)
        return cast(Value, known[self.name])
