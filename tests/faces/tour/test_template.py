"""The templates: escaped, and a page that extends the tour's has its style."""

from phosphene.core.pictures.writing import png_bytes
from phosphene.faces.tour.guide import Section, Shown
from phosphene.faces.tour.template import template
from tests.small import levels


def rendered(name, *sections, **more):
    return template(name).render(
        sections=sections, network="a <net>", photo="cat", sha256="0" * 64, versions={}, **more
    )


def test_words_are_escaped_and_a_page_that_extends_another_has_its_style():
    section = Section("1 < 2", "teaching", "source")
    tour, lesson = rendered("tour/page.html", section), rendered("lessons/page.html", section, title="a & b", lead="c.")
    assert "<h1>What a &lt;net&gt; sees in cat</h1>" in tour and "1 &lt; 2" in tour
    assert "<h1>a &amp; b</h1>" in lesson and "<title>a &amp; b</title>" in lesson and "sees in" not in lesson
    style = tour[tour.index("<style>") : tour.index("</style>")]
    assert style in lesson and "prefers-color-scheme: dark" in style


def test_a_table_has_its_heads_and_a_picture_without_a_file_no_link():
    png = png_bytes(levels(1, 3, 8, 8))
    section = Section("t", "t", "s", pictures=[Shown("here", "", png), Shown("there", "pictures/a.png", png)])
    section.table = [["", "eps"], ["cat", "1/255"]]
    text = rendered("tour/page.html", section)
    assert '<tr><th class="words"></th><th>eps</th></tr>' in text
    assert '<tr><td class="words">cat</td><td>1/255</td></tr>' in text
    assert text.count("<img") == 2 and text.count("<a href=") == 1 and '<a href="pictures/a.png">' in text
