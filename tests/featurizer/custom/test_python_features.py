from __future__ import annotations

import pytest

from presage_featurizer import FeatureSetError, featurize
from presage_featurizer.custom import CustomFeatures
from support.events import at
from support.projects import DECLARATION

IMPORTS = "from presage_featurizer import View\nfrom presage_featurizer.custom import feature\n"


def feature_of(body, *, before="", name="x", decorator="@feature()", meaning='"""X."""'):
    return f"{IMPORTS}{before}\n{decorator}\ndef {name}(view: View) -> float:\n    {meaning}\n    {body}\n"


BAD = {
    "def (": "features.py: it is not valid Python: invalid syntax",
    "import random": "features.py: line 1: import of random: the fingerprint covers only this file",
    "import presage_featurizer": "features.py: line 1: import of presage_featurizer: ",
    "from presage_featurizer import CATALOGUE": "features.py: line 1: import of presage_featurizer.CATALOGUE: .*EventType",
    "from presage_featurizer.features import visitor": "features.py: line 1: import of presage_featurizer.features.visitor",
    "from . import shared": r"features.py: line 1: import of \.\.shared",
    "from math import *": r"features.py: line 1: import of math\.\*",
    "print(1)": "features.py: line 1: expected imports, constants and functions at the top level",
    "if True:\n    X = 1": "features.py: line 1: expected imports",
    "class X:\n    pass": "features.py: line 1: expected imports",
    "X = 1\nX = 2": "features.py: line 2: 'X' is defined twice",
    "_aggregate_x = 1": "features.py: line 1: names that begin with '_aggregate_' are reserved",
    "X = open('x').read()": "features.py: line 1: open cannot be used: a feature must depend on the view alone",
    "X = 1 / 0": "features.py: it cannot be run: ZeroDivisionError",
    feature_of("import math"): "features.py: line 7: import at the top of the file",
    feature_of("return hash('x')"): "features.py: line 7: hash cannot be used",
    feature_of("return view.__class__"): "features.py: line 7: __class__ cannot be used",
    feature_of("view.state.orders = 1"): "features.py: line 7: a feature must not change what it reads",
    feature_of("view.state.cart['x'] = 1"): "features.py: line 7: a feature must not change what it reads",
    feature_of(
        "SEEN['x'] = 1", before="SEEN = {}"
    ): "features.py: line 7: a feature must not change what it reads, nor",
    feature_of("yield 1"): "features.py: line 7: Yield is not for features",
    feature_of(
        "return view.aggregate('nothing')"
    ): "features.py: line 7: aggregate 'nothing' is not declared .*'shoe_views'",
    feature_of(
        "return view.aggregate(view.state.country)"
    ): "features.py: line 7: expected a call of aggregate with a name",
    feature_of("return 1.0", name="frequency"): "features.py: frequency: the catalogue has a feature of this name",
    feature_of("return 1.0", name="X"): "features.py: X: expected a name of a-z",
    feature_of(
        "return 1.0", name="shoe_views"
    ): "features.py: shoe_views: features.toml declares a feature of this name",
    feature_of("return 1.0", meaning="pass"): "features.py: x: expected a docstring",
    feature_of("return 1.0", decorator="@feature"): "features.py: it cannot be run: TypeError",
    f'{IMPORTS}@feature()\ndef x(view, more):\n    """X."""': "features.py: x: expected a function of one parameter",
    f'{IMPORTS}@feature()\ndef x(view=None):\n    """X."""': "features.py: x: expected a function of one parameter",
}


@pytest.mark.parametrize(("source", "message"), BAD.items(), ids=range(len(BAD)))
def test_what_is_wrong_is_one_sentence_that_names_the_line(source, message):
    with pytest.raises(FeatureSetError, match=f"^{message}"):
        CustomFeatures.parse(DECLARATION, source)


@pytest.mark.parametrize(
    "body",
    [
        "return 2.0",
        "return helper(view)",
        "return TABLE['two']",
        "found = []\n    found.append(2.0)\n    return found[0]",
        "number = 0\n    while number < 2:\n        number += 1\n    return number",
        "try:\n        return TABLE['three']\n    except KeyError:\n        return 2.0",
        "def two():\n        return 2.0\n    return two()",
        "return (lambda: 2.0)()",
        "places = {}\n    places['two'] = 2.0\n    return places['two']",
        "return countdown(2)",
        "return math.floor(2.5)",
    ],
)
def test_functions_of_any_shape_give_their_values(body):
    before = (
        "import math\n"
        "TABLE = {'two': 2.0}\n"
        "def helper(view: View) -> float:\n    return 2.0 + view.state.orders\n"
        "def countdown(number: int) -> int:\n    if number == 0:\n        return 2\n    return countdown(number - 1)\n"
    )
    custom = CustomFeatures.parse('name = "shop"\nextends = []', feature_of(body, before=before))
    assert featurize(None, at(0), custom.feature_set).tolist() == [2.0]


def test_a_traceback_shows_the_line_of_the_file():
    import traceback

    source = feature_of("return 1 / view.state.orders if view.state.orders else SECRET", before="SECRET = 1.0")
    custom = CustomFeatures.parse('name = "shop"\nextends = []', source)
    compute = custom.catalogue["x"].compute
    with pytest.raises(AttributeError) as caught:
        compute("not a view")
    assert "return 1 / view.state.orders" in "".join(traceback.format_exception(caught.value))
