"""Results and runs: their parts, their PNGs, and what is kept when one stops on the way."""

import json

import numpy as np
import pytest
import torch

from phosphene.core.errors import Mistake
from phosphene.core.optimization.steps import Step
from phosphene.core.pictures.files import open_photo, read_text
from phosphene.core.results.results import Result, Run, seal
from tests.small import levels


def result(n=2, **facts):
    pictures = levels(n, 3, 8, 10)
    return Result(pictures, [f"p{i}" for i in range(n)], [{} for _ in range(n)], input=levels(1, 3, 6, 6), **facts)


def run(steps=4, n=2):
    def path():
        for index in range(steps + 1):
            yield Step(index, levels(n, 3, 8, 10, seed=index), torch.full((n,), float(index)))

    def finish(step):
        return Result(step.pictures, ["a", "b"][:n], [{"steps": step.index}] * n)

    return Run(path(), total=steps, names=["a", "b"][:n], finish=finish)


def test_every_part_is_shown_in_8_bits_and_others_are_not_there():
    made = result(panels=[[("one", levels(1, 3, 4, 4))], [("two", levels(1, 3, 4, 4, seed=1))]])
    assert (np.asarray(made.shown("picture", 1)) == (made.image[1] * 255).round().byte().permute(1, 2, 0).numpy()).all()
    assert made.shown("panel", 1, 0).size == (4, 4)
    assert made.shown("input", 1).size == (6, 6)
    assert made.shown("sheet").width > 2 * 10
    with pytest.raises(IndexError, match="there is no picture 9"):
        made.shown("picture", "9")
    with pytest.raises(IndexError):
        made.shown("drawing")


def test_a_png_carries_recipe_part_and_seal(tmp_path):
    made = result(recipe={"format": 2, "recipe": "x"})
    found = json.loads(read_text(made.save(tmp_path / "sheet.png"))["phosphene"])
    assert found["part"] == ["sheet"] and found["names"] == ["p0", "p1"]
    assert found["seal"] == seal(found, made.shown("sheet"))
    assert result().text("picture", 0) == {}
    with pytest.raises(Mistake, match=r"x\.jpg can't keep every pixel; give a name that ends in \.png"):
        made.save(tmp_path / "x.jpg")


def test_a_seal_is_broken_by_any_pixel_and_any_word():
    made = result()
    picture, recipe = made.shown("picture", 0), {"a": 1}
    before = seal(recipe, picture)
    assert seal(recipe | {"seal": "whatever"}, picture) == before
    assert seal({"a": 2}, picture) != before
    picture.putpixel((0, 0), (1, 2, 3))
    assert seal(recipe, picture) != before


def test_a_result_is_read_like_a_run():
    made = result()
    assert made.result is made


def test_a_run_is_watched_or_asked_and_then_ran_to_its_end(tmp_path):
    watched = run()
    assert [step.index for step in watched] == [0, 1, 2, 3, 4]
    asked = run()
    assert asked.numbers == [{"steps": 4}] * 2
    assert torch.equal(asked.image, watched.result.image)
    assert asked.values.tolist() == [4, 4]
    assert open_photo(asked.save(tmp_path / "a.png")).shape[1] == 3


def test_a_stopped_run_is_what_it_was_then():
    stopped = run()
    with pytest.raises(Mistake, match="nothing was computed yet"):
        stopped.so_far()
    steps = iter(stopped)
    next(steps), next(steps)
    stopped.stop()
    assert stopped.numbers[0] == {"steps": 1}
    assert stopped.result is stopped.so_far()


def test_what_was_stopped_on_its_way_says_so_in_its_recipe_and_what_came_to_its_end_does_not():
    made = run()
    made.recipe = {"recipe": "x"}
    for step in made:
        assert made.so_far().recipe == {"recipe": "x"} | ({"unfinished": True} if step.index < 4 else {})
    assert made.result.recipe == {"recipe": "x"}
    short = run()
    short.recipe, short.total = {"recipe": "x"}, 9  # it came to its end before all steps were needed
    assert short.result.recipe == {"recipe": "x"}
    assert short.picture_alone().recipe["unfinished"]
    stopped = run()
    stopped.recipe = {"recipe": "x"}
    next(iter(stopped))
    stopped.stop()
    assert stopped.result.recipe["unfinished"]
    anonymous = run()
    next(iter(anonymous))
    assert anonymous.so_far().recipe == {}
