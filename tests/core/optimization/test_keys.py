"""Random numbers belong to their keys."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from phosphene.core.optimization.keys import Key


@given(st.integers(-(2**63), 2**64), st.integers(-1, 1000), st.lists(st.integers(-5, 2**40), min_size=1, max_size=4))
def test_numbers_depend_on_their_key_alone(seed, step, problems):
    key = Key(seed, problems, step=step)
    rows = torch.arange(len(problems))
    for numbers in (key.uniform(rows, 2, 3), key.normal(rows, 2, 3)):
        assert numbers.shape == (len(problems), 2, 3) and numbers.dtype == torch.float64
    for row, problem in enumerate(problems):
        alone = Key(seed, [problem], step=step)
        assert torch.equal(alone.uniform(torch.arange(1), 4)[0], key.uniform(rows, 4)[row])
        assert torch.equal(key.normal(torch.tensor([row]), 4)[0], key.normal(rows, 4)[row])


def test_different_keys_give_different_numbers():
    keys = [
        Key(s, [p], stage, step, stream)
        for s in (0, 1)
        for p in (0, 1)
        for stage in (0, 1)
        for step in (-1, 0, 1)
        for stream in (0, 1, 2)
    ]
    parent = Key(0, [0], step=2)
    family = [parent, *(parent.child(i) for i in range(3)), *(parent.child(0).child(i) for i in range(3))]
    keys += [*family, parent.child(1).child(0), parent.child(2).child(0)]
    assert len({key.uniform(torch.arange(1), 1).item() for key in keys}) == len(keys)


def test_uniform_and_normal_numbers_are_distributed_as_they_say():
    key = Key(0, [0], step=0)
    u, z = key.uniform(torch.arange(1), 20000), key.normal(torch.arange(1), 20000)
    assert (u >= 0).all() and (u < 1).all()
    assert abs(u.mean() - 0.5) < 0.01 and abs(u.var() - 1 / 12) < 0.002
    assert abs(z.mean()) < 0.03 and abs(z.var() - 1) < 0.03
    whole = key.integers(torch.arange(1), 20000, 5).flatten()
    assert whole.bincount().min() > 3700 and whole.max() == 4


def test_the_numbers_of_stage_0_are_philox_of_seed_and_problem_at_stream_and_step():
    generator = np.random.Generator(np.random.Philox(key=[3, 5], counter=[0, 0, 2, 7]))
    assert Key(3, [5], step=7, stream=2).uniform(torch.arange(1), 4)[0].tolist() == generator.random(4).tolist()


def test_octave_2_of_seed_0_is_not_octave_1_of_seed_10():
    rows = torch.arange(1)
    assert not torch.equal(Key(0, stage=1).at(0).uniform(rows, 4), Key(10).at(0).uniform(rows, 4))


def test_problems_are_numbered_like_their_rows_where_nothing_else_is_said():
    rows = torch.tensor([2, 0])
    assert torch.equal(Key(1).normal(rows, 3), Key(1, [0, 1, 2]).normal(rows, 3))
    assert torch.equal(Key(1, [7, 8, 9]).of([2]).normal(torch.arange(1), 3), Key(1, [9]).normal(torch.arange(1), 3))


def test_behind_the_count_of_the_numbers_come_stage_stream_and_step_and_words_below_zero_wrap():
    key, counter = (np.array(w, dtype=np.uint64) for w in ([2**64 - 1, 2**64 - 5], [0, 4, 2, 2**64 - 1]))
    generator = np.random.Generator(np.random.Philox(key=key, counter=counter))
    ours = Key(-1, [-5], stage=4, stream=2).normal(torch.arange(1), 4)
    assert ours[0].tolist() == generator.standard_normal(4).tolist()


def test_the_parts_of_a_composition_have_streams_that_no_other_composition_of_up_to_1023_parts_has():
    assert [Key(stream=2).child(index).stream for index in (0, 1, 1023)] == [2049, 2050, 3072]
    assert [Key().child(1).child(0).stream, Key().child(0).child(1).stream] == [2049, 1026]


def test_a_key_of_another_step_keeps_all_the_rest():
    assert Key(1, [2], 3, 4, 5).at(6) == Key(1, [2], 3, 6, 5)
    assert Key(1, [2, 7], 3, 4, 5).of([1, 1]) == Key(1, [7, 7], 3, 4, 5)


def test_whole_numbers_are_uniform_ones_times_their_bound_rounded_down():
    key, rows = Key(3), torch.tensor([1, 0])
    assert torch.equal(key.integers(rows, 5, 7), (7 * key.uniform(rows, 5)).floor().long())
