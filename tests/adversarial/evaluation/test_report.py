"""The files of an evaluation say what its ledger says."""

import csv
import io
import json

import numpy as np
import pytest

from phosphene.adversarial.evaluation.report import Report, Share, names, worst_file
from tests.adversarial.evaluation.small_evaluations import MANY, RADII, data, finished


@pytest.fixture(scope="module")
def report():
    return Report(finished())


def test_a_share_is_told_with_its_interval():
    assert str(Share(101, 200)) == "50.5 % [43.6, 57.4]"


@pytest.mark.slow
def test_files_are_named_by_what_is_in_them(report):
    assert worst_file("linf", 2 / 255) == "worst-linf-2-255.npy" and worst_file("l2", 0.5) == "worst-l2-0.5.npy"
    assert list(report.files()) == names("linf", RADII)


def test_the_summary_counts_what_the_ledger_has(report):
    found = json.loads(report.files()["summary.json"])
    assert found["clean"]["right"] == MANY - 2 and found["clean"]["accuracy"] == 0.8
    for said, worst in zip(found["robust"], report.ledger.worst, strict=True):
        assert said["right"] == int((report.ledger.right & ~worst.fooled).sum()) and said["eps"] == worst.eps
    passes = sum(one["forwards"] for one in found["attacks"]) + 1  # of the reading without any attack
    assert found["passes of a picture"]["forwards"] == pytest.approx(passes)
    assert found["of"]["norm"] == "linf"


@pytest.mark.slow
def test_two_batch_sizes_have_the_same_bytes_in_float64(report):
    assert Report(finished(batch=3)).files() == report.files()


def test_a_line_of_the_table_is_a_picture_in_the_order_of_the_data(report):
    rows = list(csv.DictReader(io.StringIO(report.files()["images.csv"].decode())))
    assert [row["name"] for row in rows] == list(data().names)
    for i, row in enumerate(rows):
        fooled = bool(report.ledger.worst[-1].fooled[i])
        assert row["fooled by 0.05"] == (report.ledger.worst[-1].by[i] if fooled else "")
        assert (row["nearest"] != "") == (fooled or not report.ledger.right[i])
        assert int(row["right"]) == int(i not in (3, 7))


def test_the_worst_pictures_are_float32_in_the_order_of_the_data(report):
    for worst in report.ledger.worst:
        pictures = np.load(io.BytesIO(report.files()[worst_file("linf", worst.eps)]), allow_pickle=False)
        assert pictures.dtype == np.float32 and np.array_equal(pictures, worst.pictures.numpy())


def test_those_with_which_it_took_least_come_first(report):
    order = [row for row, _ in report.nearest_fooled(100)]
    distances = [float(report.ledger.nearest[row]) for row in order]
    assert distances == sorted(distances) and len(order) == int(report.ledger.worst[-1].fooled.sum())
    for row, worst in report.nearest_fooled(100):
        smaller = [one for one in report.ledger.worst if one.eps < worst.eps]
        assert worst.fooled[row] and not any(one.fooled[row] for one in smaller)
