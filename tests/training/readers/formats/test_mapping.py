from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from presage_featurizer import Device, EventType
from presage_training.errors import LogFormatError
from presage_training.readers import LogMapping, MappingError, load_mapping
from presage_training.readers.files.layout import FileLayout
from presage_training.readers.formats.derived import Split

PAGE = Path(__file__).parents[4] / "docs" / "how-to" / "replay-a-log.md"
LEAST = '[columns]\nuser_id = "u"\nevent_type = "e"\nevent_time = "t"\n'


@pytest.fixture
def load(tmp_path):
    """Return a function that writes a mapping and loads it."""

    def written(text):
        (tmp_path / "shop.toml").write_text(text)
        return load_mapping(tmp_path / "shop.toml")

    return written


def test_the_example_of_the_how_to_is_one(load):
    block = PAGE.read_text().partition("    # clicks.toml\n")[2].partition("\n| table")[0]
    mapping = load(textwrap.dedent(block))

    assert mapping.columns == {
        "user_id": "visitor",
        "event_type": "action",
        "event_time": "at",
        "item_id": "sku",
        "price": "unit price",
        "country": "land",
        "labels.channel": "source",
    }
    assert mapping.event_types == {
        "product page": EventType.VIEW_ITEM,
        "basket": EventType.ADD_TO_CART,
        "order": EventType.PURCHASE,
        "ping": None,
    }
    assert (mapping.time_unit, mapping.time_format, mapping.time_zone) == ("", "%d.%m.%Y %H:%M:%S", "Europe/Berlin")
    assert mapping.countries == {"Deutschland": "DE"}
    assert mapping.constants == {"currency": "EUR", "device": "DESKTOP"}


def test_little_is_needed(load):
    mapping = load(LEAST)

    assert mapping == LogMapping(path=mapping.path, columns={"user_id": "u", "event_type": "e", "event_time": "t"})


def test_the_type_may_be_the_same_for_all_rows(load):
    assert load('[columns]\nuser_id = "u"\nevent_time = "t"\n[constants]\nevent_type = "LOGIN"').constants == {
        "event_type": "LOGIN"
    }


def test_a_mapping_may_say_how_the_file_is_laid_out(load):
    text = """
        [file]
        encoding = "cp1252"
        separator = "\\t"
        decimal = ","
        missing = ["NULL", "-"]
        [columns]
        user_id = ["visitor", "cookie"]
        session_id = "visit"
        event_time = ["day", "hour"]
        [split."visitor / visit"]
        separator = "/"
        into = ["visitor", "visit"]
        [constants]
        event_type = "PAGE_VIEW"
    """
    mapping = load(text)

    assert mapping.layout == FileLayout(encoding="cp1252", separator="\t", decimal=",", missing=("NULL", "-"))
    assert mapping.splits == (Split(column="visitor / visit", into=("visitor", "visit"), separator="/"),)
    assert mapping.columns["user_id"] == ("visitor", "cookie")


@pytest.mark.parametrize(
    "text",
    [
        'numbers.margin = "m"\nlabels.channel = ["c", "d"]',
        '"numbers.margin" = "m"\n"labels.channel" = ["c", "d"]',
        '[columns.numbers]\nmargin = "m"\n[columns.labels]\nchannel = ["c", "d"]',
    ],
    ids=["dotted", "quoted", "tables"],
)
def test_columns_may_be_attributes(load, text):
    columns = load(LEAST + text).columns

    assert (columns["numbers.margin"], columns["labels.channel"]) == ("m", ("c", "d"))


def test_a_word_may_mean_no_device(load):
    devices = load(LEAST + 'device = "d"\n[devices]\nphone = "MOBILE"\nbot = ""').devices

    assert devices == {"phone": Device.MOBILE, "bot": Device.UNSPECIFIED}


@pytest.mark.parametrize(
    ("text", "problem", "advice"),
    [
        ("[columns", "not a readable TOML file", "Fix it there"),
        (
            '[colums]\nuser_id = "u"',
            "unknown table or key 'colums'",
            "Choose from [file], [columns], [split], [event_time]",
        ),
        ('columns = "u"', "columns is not a table", "Write it as [columns]"),
        (LEAST + "price = 3", "[columns] has price = 3", "Expected text in quotes"),
        (LEAST + 'colour = "c"', "[columns] has the unknown field 'colour'", "Choose from event_id, event_type"),
        (LEAST + 'number.x = "c"', "[columns] has number = {'x': 'c'}", "Expected text in quotes"),
        (LEAST + '"number.x" = "c"', "the unknown field 'number.x'", "device, numbers.NAME, labels.NAME."),
        (LEAST + 'numbers = "c"', "the unknown field 'numbers'", "device, numbers.NAME, labels.NAME."),
        (LEAST + "labels.x = 3", "[columns] has labels.x = 3", "Expected text in quotes"),
        (LEAST + 'labels.Channel = "c"', "the invalid name 'Channel' in labels", "a lowercase letter, then up to 31"),
        (LEAST + 'labels.a.b = "c"', "[columns] has labels.a = {'b': 'c'}", "Expected text in quotes"),
        (
            LEAST + "\n".join(f'numbers.n{number} = "c"' for number in range(17)),
            "[columns] has 17 numbers",
            "An event holds at most 16.",
        ),
        ('[columns]\nuser_id = "u"\nevent_type = "e"', "[columns] lacks event_time", 'event_time = "…"'),
        (LEAST + 'price = "p"', "[columns] has price without item_id", "which column names the item"),
        (
            LEAST + '[event_types]\nhover = "HOVER"',
            "[event_types] has the unknown name 'HOVER'",
            "PAGE_VIEW, VIEW_ITEM",
        ),
        (LEAST + '[event_types]\nx = "UNSPECIFIED"', "the unknown name 'UNSPECIFIED'", "PAGE_VIEW, VIEW_ITEM"),
        (LEAST + '[devices]\nx = "MOBILE"', "[devices] needs the column device", "Add device to [columns]"),
        (LEAST + 'device = "d"\n[devices]\nx = "FRIDGE"', "[devices] has the unknown name 'FRIDGE'", "DESKTOP, MOBILE"),
        (LEAST + 'country = "c"\n[countries]\nx = "Deu"', "two capital letters, got 'Deu'", "ISO 3166-1"),
        (LEAST + '[constants]\ncountry = "de"', "two capital letters, got 'de'", "ISO 3166-1"),
        (LEAST + '[constants]\ncurrency = "€"', "three capital letters, got '€'", "ISO 4217"),
        (LEAST + '[constants]\ndevice = "FRIDGE"', "[constants] has the unknown name 'FRIDGE'", "DESKTOP, MOBILE"),
        (LEAST + '[constants]\nprice = "1"', "[constants] has the unknown field 'price'", "event_type, item_id"),
        (LEAST + '[constants]\nevent_type = "LOGIN"', "event_type is in [columns] and in [constants]", "Keep one"),
        (LEAST + '[file]\nkind = "csv"', "[file] has the unknown key 'kind'", "encoding, separator, decimal, missing"),
        (LEAST + '[file]\ndecimal = ";"', "[file] has decimal = ';'", 'Choose "." or ","'),
        (LEAST + '[file]\nseparator = ";;"', "[file] has separator = ';;'", "a single character"),
        (LEAST + '[file]\nencoding = "utf-9"', "[file] has the unknown encoding 'utf-9'", "cp1252"),
        (LEAST + "[file]\nmissing = [3]", "[file] has missing = [3]", "text in quotes"),
        (LEAST + "device = []\n[devices]\nx = 3", "[devices] has x = 3", "text in quotes"),
        (LEAST + '[split]\nids = "u"', "[split] has ids = 'u'", 'Write it as [split."ids"]'),
        (LEAST + '[split.ids]\ninto = ["a", "b"]', "[split] 'ids' has not exactly one of separator", "divided"),
        (LEAST + '[split.ids]\nseparator = "/"\ninto = ["a"]', "[split] 'ids' has into = ['a']", "Name the parts"),
        (LEAST + '[split.ids]\npattern = "("\ninto = ["a"]', "[split] 'ids' has an invalid pattern", "Python"),
        (LEAST + '[split.ids]\npattern = "(.)"\ninto = ["a", "b"]', "has 1 groups for 2 parts", "one group"),
        (LEAST + '[event_time]\nzone = "UTC"', "[event_time] has the unknown key 'zone'", "unit, format, time_zone"),
        (LEAST + '[event_time]\nunit = "h"', "[event_time] has the unknown unit 'h'", "Choose one of s, ms, us, ns"),
        (
            LEAST + '[event_time]\nunit = "s"\ntime_zone = "UTC"',
            "a unit beside a format or time_zone",
            "the unit alone",
        ),
        (LEAST + '[event_time]\ntime_zone = "Mars"', "the unknown time_zone 'Mars'", "IANA"),
        (LEAST + '[event_time]\ntime_zone = "../x"', "the unknown time_zone '../x'", "IANA"),
    ],
)
def test_a_wrong_mapping_is_refused_in_one_sentence(load, tmp_path, text, problem, advice):
    with pytest.raises(MappingError) as failure:
        load(text)

    message = str(failure.value)
    assert isinstance(failure.value, LogFormatError)
    assert message.startswith(f"{tmp_path / 'shop.toml'}: ")
    assert problem in message
    assert advice in message.partition(problem)[2]
    assert "\n" not in message


def test_a_missing_mapping_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_mapping(tmp_path / "shop.toml")
