"""The page of an evaluation needs nothing else, and says what the report says."""

import re

import pytest

from phosphene.adversarial.evaluation.ensembles import Entry
from phosphene.adversarial.evaluation.evidence import Check
from phosphene.adversarial.evaluation.report import Report
from phosphene.faces.evaluation.page import page
from tests.adversarial.evaluation.small_evaluations import finished
from tests.faces.tour.test_page import Page

CURVE = Entry("fab", "fab", {"steps": 5, "targets": 2}, 10)
CHECKS = [Check("self-test", "pass", "it finds them"), Check("gradients", "fail", "none", (1, 2), "--bpda <conv>")]


@pytest.fixture(scope="module")
def report():
    return Report(finished(curve=CURVE), CHECKS)


@pytest.fixture(scope="module")
def text(report):
    return page(report, data="six & more.npz", again="phosphene evaluate --data 'six & more.npz'")


@pytest.mark.slow
def test_it_loads_nothing_and_links_nowhere(text):
    found = Page(text)
    assert found.loaded and all(address.startswith("data:image/") for address in found.loaded)
    assert found.linked == []


def test_it_says_the_accuracies_and_the_verdict(report, text):
    for worst in report.ledger.worst:
        assert str(report.robust(worst)) in text
    verdict = re.sub(r"<", "&lt;", report.verdict).replace(">", "&gt;")
    assert verdict[1:] in text and "do not believe it" in verdict
    assert "six &amp; more.npz" in text and "--bpda &lt;conv&gt;" in text


def test_the_same_evaluation_has_the_same_page(report, text):
    assert page(report, data="six & more.npz", again="phosphene evaluate --data 'six & more.npz'") == text


def test_nothing_found_and_no_curve_are_said(report):
    found = Report(finished(radii=[1e-6], entries=(Entry("fgsm", "fgsm"),)))
    said = page(found, data="ten", again="phosphene evaluate")
    assert "No picture was found that fools" in said and "<img" not in said and "othing was checked" in said
