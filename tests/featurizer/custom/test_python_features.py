from __future__ import annotations

import pytest

from presage_featurizer import FeatureSetError, encode_state, featurize
from presage_featurizer.custom import CustomFeatures
from support.events import STORY, at, fold_all
from support.projects import DECLARATION

IMPORTS = "from presage_featurizer import View\nfrom presage_featurizer.custom import feature\n"


def feature_of(body, *, before="", name="x", decorator="@feature()", meaning='"""X."""'):
    return f"{IMPORTS}{before}\n{decorator}\ndef {name}(view: View) -> float:\n    {meaning}\n    {body}\n"


BAD = {
    "def (": "features.py: it is not valid Python: invalid syntax",
    "import random": "features.py: line 1: import of random: the fingerprint covers only this file",
    "import presage_featurizer": "features.py: line 1: write from presage_featurizer import and the names",
    "import typing": "features.py: line 1: write from typing import and the names that you need",
    "import collections.abc": "features.py: line 1: write from collections.abc import",
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
    feature_of(
        "view.session.events.pop(1, None)"
    ): "features.py: line 7: .pop may change what the function has not made",
    feature_of("counts = view.session.events\n    counts.clear()"): "features.py: line 8: .clear may change .*dict",
    feature_of("counts = view.session.events\n    counts[1] = 2"): "features.py: line 8: a feature must not change",
    feature_of("counts = view.session.events\n    counts[1] += 2"): "features.py: line 8: a feature must not change",
    feature_of(
        "found = []\n    found = view.state.sessions\n    found.sort()"
    ): "features.py: line 9: .sort may change",
    feature_of("for found in [view.state.cart]:\n        found.update({})"): "features.py: line 8: .update may change",
    feature_of("drop = view.state.cart.pop\n    return drop('x', 0)"): "features.py: line 7: .pop may change",
    feature_of("return count(view.state.sessions)", before="def count(found):\n    found.append(1)\n    return 1.0"): (
        "features.py: line 4: .append may change"
    ),
    feature_of(
        "found = [view.state.cart]\n    found[0] |= {'x': 1}"
    ): "features.py: line 8: .= may change a dict of the view",
    feature_of("SEEN.append(1)", before="SEEN = []"): "features.py: line 7: .append may change",
    feature_of("found = []\n    def add():\n        found.append(1)"): "features.py: line 9: .append may change",
    feature_of("list = view.state.sessions"): "features.py: line 7: 'list' is a function of Python",
    feature_of(
        "return 1.0", before="def known(seen=[]):\n    return seen"
    ): "features.py: line 3: a default is made once",
    feature_of("return 1.0", before="def known(*, seen=dict()):\n    return seen"): "features.py: line 3: a default is",
    feature_of("return next(NUMBERS)", before="NUMBERS = iter([1.0, 2.0])"): (
        "features.py: line 3: 'NUMBERS' is used up as it is read; write a tuple"
    ),
    feature_of("return sum(w for w in {0.1, 0.2})"): "features.py: line 7: the order of a set differs .*sorted",
    feature_of("return sum(SET)", before="SET = frozenset({0.1, 0.2})"): "features.py: line 7: the order of a set",
    feature_of("found = {0.1} | {0.2}\n    return list(found)[0]"): "features.py: line 8: the order of a set",
    feature_of("found = {0.1, 0.2}\n    return found.pop()"): "features.py: line 8: what .pop takes from a set",
    feature_of("exit()"): "features.py: line 7: exit cannot be used",
    feature_of("raise SystemExit"): "features.py: line 7: SystemExit cannot be used",
    "X = " + " + ".join(["1"] * 600): "features.py: an expression is nested too deeply",
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
        "found = [1.0] * 3\n    found[0] += 1\n    return found[0]",
        "found = sorted([3.0, 2.0])\n    found.reverse()\n    return found.pop()",
        "total = 1.0\n    total += 1\n    return total",
        "known = {1.0, 2.0}\n    known.add(3.0)\n    return sorted(known)[1] if 2.0 in known else 0.0",
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


def test_what_is_added_to_a_dict_makes_another():
    body = "found = view.state.cart\n    found |= {'x': 1}\n    return float(len(found))"
    custom = CustomFeatures.parse('name = "shop"\nextends = []', feature_of(body))
    state = fold_all(STORY)
    before = encode_state(state)
    assert featurize(state, at(95), custom.feature_set).tolist() == [len(state.cart) + 1]
    assert encode_state(state) == before


@pytest.mark.parametrize("character", ["\x0c", "\x1c", "\x85", "\u2028"])
def test_what_python_does_not_see_as_the_end_of_a_line_is_none(character):
    sources = [
        f"# {character}\n{feature_of(f'return view.state.{name}')}" for name in ("orders", "last_seen_unix_micros")
    ]
    one, other = (CustomFeatures.parse('name = "shop"\nextends = []', source) for source in sources)
    assert one.definitions != other.definitions


def test_the_ends_of_lines_are_the_same_in_every_system():
    sources = [feature_of("return 1.0").replace("\n", end) for end in ("\n", "\r\n", "\r")]
    digests = {CustomFeatures.parse('name = "shop"\nextends = []', source).definitions["x"] for source in sources}
    assert len(digests) == 1


def test_spaces_in_a_text_count():
    sources = [feature_of(f'return len("""a{spaces}\n""")') for spaces in ("", " ")]
    digests = {CustomFeatures.parse('name = "shop"\nextends = []', source).definitions["x"] for source in sources}
    assert len(digests) == 2


def test_a_traceback_shows_the_line_of_the_file():
    import traceback

    source = feature_of("return 1 / view.state.orders if view.state.orders else SECRET", before="SECRET = 1.0")
    custom = CustomFeatures.parse('name = "shop"\nextends = []', source)
    compute = custom.catalogue["x"].compute
    with pytest.raises(AttributeError) as caught:
        compute("not a view")
    assert "return 1 / view.state.orders" in "".join(traceback.format_exception(caught.value))
