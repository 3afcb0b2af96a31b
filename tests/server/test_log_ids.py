"""What logs call visitors."""

from __future__ import annotations

import pytest

from presage_featurizer.pseudonyms import pseudonym
from presage_server import log_ids
from presage_server.log_ids import log_id, use_log_id_key, without_ids
from presage_server.store.keys import quarantine_key, state_key


@pytest.fixture(autouse=True)
def own_key(monkeypatch):
    monkeypatch.setattr(log_ids, "_keys", [b""])


def test_a_visitor_has_one_name_which_is_another_with_a_secret():
    assert log_id("v-81") == log_id("v-81") == pseudonym("v-81") != log_id("v-82")
    use_log_id_key("secret")
    assert log_id("v-81") == pseudonym("v-81", b"secret") != pseudonym("v-81")


@pytest.mark.parametrize("key", [b"", b"k", b"k" * 64, b"k" * 65, b"k" * 1000])
@pytest.mark.parametrize("user_id", ["", "a", "\N{PILE OF POO}" * 64, "\ud800", "with\nnewline"])
def test_any_id_and_any_key_give_a_name_of_one_form(user_id, key):
    name = pseudonym(user_id, key)
    assert name.isascii()
    assert len(name) == 18


@pytest.mark.parametrize("make_key", [state_key, quarantine_key])
def test_keys_in_the_stores_own_errors_lose_their_visitors(make_key):
    key = make_key("jane@example.com")
    text = without_ids(f"NOPERM no permissions to access the key '{key}', nor {key}")
    assert "jane" not in text
    assert text.count(log_id("jane@example.com")) == 2


def test_what_has_no_visitor_stays():
    assert without_ids("OOM at {p3}:events") == "OOM at {p3}:events"
