import pickle

import numpy as np

from phosphene.dataset.listing import Listing


def listing(many):
    ids = [f"{i:02d}.png" for i in range(many)]
    return Listing("files", "/photos", ids, np.arange(many) // 5, {0: "a", 1: "b", 2: "c"}, files=ids)


def test_a_part_is_evenly_spaced_and_remembers_its_numbers():
    part = listing(15).evenly(3)
    assert list(part.ids) == ["00.png", "05.png", "10.png"] and part.labels.tolist() == [0, 1, 2]
    assert [part.number(i) for i in range(3)] == [0, 5, 10]
    assert part.item(2) == "/photos/10.png" and part.where(2)["number"] == 10
    assert listing(15).evenly(15) is not part and len(listing(15).evenly(99)) == 15


def test_classes_of_a_part_are_those_that_it_has():
    assert listing(15).evenly(1).classes == {0: "a"}


def test_the_digest_is_of_ids_and_labels():
    one, other = listing(5), listing(5)
    assert one.digest == other.digest
    assert Listing("files", "/else", one.ids, one.labels, {}, files=one.ids).digest == one.digest
    assert Listing("files", "/photos", one.ids, one.labels + 1, {}, files=one.ids).digest != one.digest


def test_a_listing_can_be_sent():
    assert pickle.loads(pickle.dumps(listing(4))).item(3) == "/photos/03.png"
