import re
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_run(example):
    # Fewer levels and pixels: that the example is right does not depend on them.
    exec(
        example.replace("levels=6", "levels=2")
        .replace("chelsea() /", "chelsea()[:48, :48] /")
        .replace("(40, 40)", "(8, 8)"),
        {},
    )


def test_there_are_examples_and_the_picture_is_there():
    assert len(EXAMPLES) == 5
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", README):
        assert (Path(__file__).parents[1] / picture).is_file()
