"""Signatures of bundles, made and checked with real keys."""

from __future__ import annotations

import json
import re
import stat

import pytest

from presage_export.bundle import (
    check_signature,
    make_key,
    manifest_digest,
    read_manifest,
    read_trusted_keys,
    sign_bundle,
)
from presage_export.errors import BundleError, SigningKeyError
from support.bundle_files import change_manifest
from support.bundles import write_small_bundle


@pytest.fixture
def keys(tmp_path):
    return [make_key(tmp_path / f"{name}.pem")[0] for name in ("ours", "theirs")]


@pytest.fixture
def bundle(tmp_path):
    write_small_bundle(tmp_path / "models")
    return tmp_path / "models" / "conversion" / "1"


def test_a_bundle_that_a_trusted_key_signed_passes_and_its_content_stays(tmp_path, keys, bundle):
    before = read_manifest(bundle)
    assert sign_bundle(bundle, tmp_path / "ours.pem") == keys[0]
    trusted = read_trusted_keys(tmp_path / "ours.pub.pem")
    assert check_signature(bundle, trusted) == manifest_digest(before) == manifest_digest(read_manifest(bundle))


def test_a_bundle_without_a_signature_of_a_trusted_key_is_rejected(tmp_path, keys, bundle):
    trusted = read_trusted_keys(tmp_path / "ours.pub.pem")
    with pytest.raises(BundleError, match=r"conversion/1/manifest\.sig: is missing: the bundle is not signed"):
        check_signature(bundle, trusted)
    sign_bundle(bundle, tmp_path / "theirs.pem")
    with pytest.raises(BundleError, match=f"expected a signature of key {keys[0]}, got one of {keys[1]}"):
        check_signature(bundle, trusted)


def test_every_byte_of_the_manifest_and_of_the_signature_counts(tmp_path, keys, bundle):
    sign_bundle(bundle, tmp_path / "ours.pem")
    trusted = read_trusted_keys(tmp_path / "ours.pub.pem")
    manifest = (bundle / "manifest.json").read_bytes()
    for place in range(0, len(manifest), 97):
        changed = bytearray(manifest)
        changed[place] ^= 1
        (bundle / "manifest.json").write_bytes(changed)
        with pytest.raises(BundleError, match=f"the signature of key {keys[0]} is not of this manifest.json"):
            check_signature(bundle, trusted)
    (bundle / "manifest.json").write_bytes(manifest)
    change_manifest(bundle, link="identity")  # sealed again, as who can write the folder would
    with pytest.raises(BundleError, match=r"is not of this manifest\.json"):
        check_signature(bundle, trusted)
    (bundle / "manifest.json").write_bytes(manifest)
    check_signature(bundle, trusted)
    for broken in (b"", b"{}", b"[]", b'{"ed25519": {"%s": "?"}}' % keys[0].encode(), b"{" * 100_000):
        (bundle / "manifest.sig").write_bytes(broken)
        with pytest.raises(BundleError, match=r"manifest\.sig"):
            check_signature(bundle, trusted)


def test_while_keys_are_replaced_either_is_enough(tmp_path, keys, bundle):
    sign_bundle(bundle, tmp_path / "ours.pem")
    both = tmp_path / "both.pem"
    both.write_bytes(
        (tmp_path / "theirs.pub.pem").read_bytes() + b"# the old one\n" + (tmp_path / "ours.pub.pem").read_bytes()
    )
    check_signature(bundle, read_trusted_keys(both))
    sign_bundle(bundle, tmp_path / "theirs.pem")
    assert set(json.loads((bundle / "manifest.sig").read_text())["ed25519"]) == set(keys)
    check_signature(bundle, read_trusted_keys(tmp_path / "theirs.pub.pem"))
    check_signature(bundle, read_trusted_keys(tmp_path / "ours.pub.pem"))


def test_a_private_key_is_its_owners_alone_and_never_overwritten(tmp_path, keys):
    assert stat.S_IMODE((tmp_path / "ours.pem").stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        make_key(tmp_path / "ours.pem")


@pytest.mark.parametrize(
    ("name", "what"),
    [("absent", "is missing"), ("ours.pem", "expected public keys in PEM"), ("other.pem", "expected Ed25519 keys")],
)
def test_a_file_of_something_else_is_an_error(tmp_path, keys, name, what):
    (tmp_path / "other.pem").write_bytes(_public_key_of_another_kind())
    with pytest.raises(SigningKeyError, match=re.escape(what)):
        read_trusted_keys(tmp_path / name)


def test_what_cannot_sign_is_an_error(tmp_path, keys, bundle):
    with pytest.raises(SigningKeyError, match="expected a private key in PEM"):
        sign_bundle(bundle, tmp_path / "ours.pub.pem")


def _public_key_of_another_kind() -> bytes:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    return (
        X25519PrivateKey.generate()
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
