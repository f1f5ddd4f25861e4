import inspect

import pytest

from resbench.algorithms import AGAD, ERIDER, Algorithm, ResidualLearning, TikiTakaV2
from resbench.arguments import take_over_arguments
from resbench.data import MNISTData
from resbench.errors import BadValue


def test_a_class_shows_its_own_arguments_and_those_of_the_class_before() -> None:
    parameters = inspect.signature(MNISTData).parameters
    assert list(parameters)[:3] == ["root", "download", "normalize"]
    assert parameters["batch_size"].annotation is int
    assert parameters["batch_size"].kind is inspect.Parameter.KEYWORD_ONLY


def test_a_constructor_without_inherited_stays_as_it_is() -> None:
    class Plain:
        def __init__(self, size: int, **more: int) -> None: ...

    before = Plain.__init__
    take_over_arguments(Plain)
    assert Plain.__init__ is before


@pytest.mark.parametrize(
    ("kind", "argument"),
    [
        (ResidualLearning, "transfer_columns"),
        (ERIDER, "random_selection"),
        (TikiTakaV2, "with_reset_prob"),
        (AGAD, "gamma"),
    ],
)
def test_an_argument_that_the_class_sets_itself_is_refused(kind: type[Algorithm], argument: str) -> None:
    assert argument not in inspect.signature(kind).parameters
    with pytest.raises(
        BadValue, match=f"{argument}: 0.5 is not for {kind.__name__}, which sets it itself; leave it out"
    ):
        kind(**{argument: 0.5})
