"""Annotations that lie are found out."""

import ast
import weakref
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import torch
from beartype.roar import BeartypeCallHintViolation
from jaxtyping import Float
from torch import Tensor

from tests.annotations import _Decorating, checked

refused = pytest.raises(BeartypeCallHintViolation)


@checked
def scaled(x: Float[Tensor, "n c"], by: Float[Tensor, " n"], times: float = 1.0) -> Float[Tensor, "n c"]:
    return x * by[:, None] * times if times < 9 else x.T


@checked
def counted(x: Float[Tensor, "n c"], most: int) -> Iterator[int]:
    yield from range(min(len(x), most))


@checked
def inner(n: int):
    @checked
    def of(x: Float[Tensor, "n c"], y: Float[Tensor, "n c"]) -> Float[Tensor, " n"]:
        return (x * y * n).sum(1)

    return of


@checked
def several(x: list[Float[Tensor, " n"]], y: Float[Tensor, " n"] | None) -> "Float[Tensor, ' n']":
    return x[0] if y is None else y


@checked
@dataclass(frozen=True)
class Pair:
    one: Float[Tensor, " n"]
    two: Float[Tensor, " n"]


def test_what_is_as_it_says_is_what_it_was():
    x = torch.arange(6.0).reshape(2, 3)
    assert torch.equal(scaled(x, torch.ones(2), 2), 2 * x)  # an int is a float
    assert list(counted(x, most=9)) == [0, 1]
    assert torch.equal(Pair(x[0], x[1]).two, x[1])
    assert torch.equal(several([x[0]], x[1]), x[1])
    assert scaled.__wrapped__.__name__ == scaled.__name__ == "scaled"


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: scaled(torch.ones(2, 3), torch.ones(3)),
        lambda: scaled(torch.ones(2, 3).long(), torch.ones(2)),
        lambda: scaled(torch.ones(2, 3), torch.ones(2), times=None),
        lambda: scaled(torch.ones(2, 3), torch.ones(2), times=9),
        lambda: counted(torch.ones(2, 3), "many"),
        lambda: inner(1)(torch.ones(2, 3), torch.ones(2, 4)),
        lambda: Pair(torch.ones(2), torch.ones(3)),
        lambda: several([torch.ones(2)], torch.ones(3)),
    ],
    ids=["a size", "a kind", "an argument", "a result", "before the first step", "inside", "a dataclass", "a list"],
)
def test_what_is_not_is_refused(wrong):
    with refused:
        wrong()
    assert scaled(torch.ones(4, 3), torch.ones(4)).shape == (4, 3)  # and the next call begins anew


def test_inner_functions_share_a_checker_and_nothing_else():
    once, thrice = inner(1), inner(3)
    x = torch.ones(2, 3)
    assert (once(x, x).tolist(), thrice(x, x).tolist()) == ([3, 3], [9, 9])
    with refused:
        thrice(x, x[:1])


def test_a_call_inside_of_a_call_has_sizes_of_its_own():
    @checked
    def outer(x: Float[Tensor, "n c"]) -> Float[Tensor, " c"]:
        return inner(1)(x.T, x.T)

    assert outer(torch.ones(2, 3)).shape == (3,)


def test_functions_are_checked_beneath_other_decorators_and_classes_above():
    tree = _Decorating().visit(ast.parse("@a\nclass C:\n    @b\n    def f(self): ...\n"))
    kind = tree.body[0]
    assert [ast.unparse(one)[-7:] for one in kind.decorator_list] == ["checked", "a"]
    assert [ast.unparse(one)[-7:] for one in kind.body[0].decorator_list] == ["b", "checked"]


def test_phosphene_is_checked():
    from phosphene.core.optimization.priors import total_variation

    with refused:
        total_variation("much")


def test_nothing_that_a_function_used_is_kept_alive():
    x = torch.ones(2, 3)
    kept = weakref.ref(x)

    @checked
    def of(n: int) -> int:
        return len(x) * n

    assert of(2) == 4
    del x, of
    assert kept() is None
