"""Words on pictures: letters that can be drawn, lines that fit."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from phosphene.core.pictures import typesetting
from phosphene.core.pictures.sheets import figure


def test_letters_that_the_font_lacks_are_spelled():
    assert typesetting._drawable("naïve λ → 0.5 × 10² – 猫") == "naive lambda -> 0.5 x 102 - ?"


@pytest.mark.slow
@given(st.text(max_size=60))
@settings(max_examples=50)
def test_any_caption_can_be_drawn(caption):
    assert figure([(caption, torch.ones(3, 8, 8))], caption, side=80).width == 144


@given(st.text(st.characters(codec="ascii", exclude_categories=["C"]), max_size=80), st.integers(40, 300))
@settings(max_examples=50)
def test_lines_are_not_wider_than_their_place(text, width):
    lines = typesetting.wrapped(text, 15, width)
    assert len(lines) <= 2 and all(typesetting.width_of(line, 15) <= width for line in lines)


def test_a_name_that_does_not_fit_keeps_its_end():
    assert typesetting._ending("encoder.layers.encoder_layer_11", 20, 150).startswith("…")
    assert typesetting._ending("encoder.layers.encoder_layer_11", 20, 150).endswith("layer_11")
    assert typesetting._ending("conv1", 20, 150) == "conv1"
