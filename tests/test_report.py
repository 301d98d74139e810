import base64
import html.parser
import io
import re

import numpy as np
import pytest
from PIL import Image

from ntkmc.plots import residual_curve
from ntkmc.report import Report

VOID = {"meta", "img"}


class Balanced(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attributes):
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def page():
    report = Report("A <title>", "A & lead")
    report.heading("Part")
    report.paragraph("words")
    report.pictures([("grey", "a note", np.eye(3)), ("colour", "", np.zeros((2, 2, 3), np.uint8))])
    report.plots([("curve", residual_curve(np.array([1.0, 0.1])))])
    report.table(("method", "PSNR"), [("a", "1"), ("b", "2")], best=1)
    report.facts({"converged": True})
    report.code("a: <b>")
    return report.html()


def test_tags_are_closed_and_text_is_escaped(page):
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    assert "A &lt;title&gt;" in page
    assert "A &amp; lead" in page
    assert "a: &lt;b&gt;" in page


def test_nothing_is_loaded_from_elsewhere(page):
    assert re.findall(r"(?:src|href)=\"(?!data:)", page) == []
    assert "http" not in page
    assert "<script" not in page


def test_pictures_are_within_the_page(page):
    uris = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert len(uris) == 3
    grey = np.asarray(Image.open(io.BytesIO(base64.b64decode(uris[0]))))
    np.testing.assert_array_equal(grey, np.eye(3) * 255)


def test_the_best_row_stands_out(page):
    assert page.count("class=best") == 1
    assert "<tr class=best><td>b</td>" in page
