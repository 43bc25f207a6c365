"""What a refusal says."""

import pytest

from lrtool._check import one_of
from lrtool.errors import ArgumentError


def test_the_choices_are_listed_once() -> None:
    with pytest.raises(ArgumentError) as caught:
        one_of("where", "zzz", ["left", "right"])
    assert str(caught.value) == "where must be one of left, right, got 'zzz'; choose one of these"


def test_a_list_of_hundreds_is_cut_and_the_near_one_still_found() -> None:
    names = [f"layer{i:03}" for i in range(300)]
    with pytest.raises(ArgumentError) as caught:
        one_of("submodule", "layer2999", names)
    assert "layer039 and 260 more, got 'layer2999'" in str(caught.value)
    assert str(caught.value).endswith("did you mean 'layer299'?")
