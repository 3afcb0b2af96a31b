"""Signatures of bundles: Ed25519 over the manifest's bytes, which have the digests of all other files, the name and the version.

They are in a file beside the manifest, so that a bundle's content is the same with and without them, and several keys can sign: the
old one and the new one while keys are replaced.
"""

from __future__ import annotations

import hashlib
import os
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from presage_export.bundle.files import MANIFEST_FILE, decode_manifest_file, read_file
from presage_export.bundle.opening import manifest_digest
from presage_export.errors import BundleError, SigningKeyError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

__all__ = ["SIGNATURE_FILE", "TrustedKeys", "check_signature", "make_key", "read_trusted_keys", "sign_bundle"]

SIGNATURE_FILE: Final = "manifest.sig"
_CONTEXT: Final = b"presage bundle signature, version 1\n"
"""Prefix of the signed bytes, so that the key's signature of something else does not pass as one of a bundle."""
_MAX_SIGNATURES: Final = 16
_KEY_ID_DIGITS: Final = 16
_PUBLIC_KEY = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", re.DOTALL)
_INSTALL = "install cryptography: pip install 'presage-scoring[signing]'"

TrustedKeys = Mapping[str, "Ed25519PublicKey"]
"""Public keys by their ids: the first digits of the SHA-256 of their 32 bytes."""


class _Signatures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What SIGNATURE_FILE holds."""

    ed25519: dict[str, str]
    """Signatures in Base64, by the ids of the keys that made them."""


def read_trusted_keys(path: Path) -> TrustedKeys:
    """Read a file of one or more public keys in PEM.

    Raises:
        SigningKeyError: It cannot be read, or holds something else; or ``cryptography`` is not installed.
    """
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 - an extra
        from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415
    except ImportError as error:
        raise SigningKeyError(f"{path}: signatures cannot be checked here; {_INSTALL}") from error
    keys = {}
    for block in _PUBLIC_KEY.findall(_read_key_file(path)):
        try:
            key = load_pem_public_key(block)
        except ValueError as error:
            raise SigningKeyError(f"{path}: has a public key that cannot be read: {error}") from error
        if not isinstance(key, Ed25519PublicKey):
            raise SigningKeyError(f"{path}: expected Ed25519 keys, got one of another kind")
        keys[_id_of(key)] = key
    if not keys:
        raise SigningKeyError(f"{path}: expected public keys in PEM (-----BEGIN PUBLIC KEY-----), got none")
    return keys


def check_signature(directory: Path, trusted: TrustedKeys) -> str:
    """Check that a trusted key has signed a bundle, <name>/<version>.

    Returns:
        The ``manifest_digest`` of what was signed. What is loaded afterwards must have the same: files may be replaced meanwhile.

    Raises:
        BundleError: It has no signature, none of a trusted key, or one that is not of this manifest.
    """
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - there, as there are keys

    path = directory / SIGNATURE_FILE
    manifest = read_file(directory / MANIFEST_FILE)
    if not path.exists():
        raise BundleError(path, "is missing: the bundle is not signed; sign it with presage models sign")
    signatures = _read_signatures(path)
    known = sorted(signatures.keys() & trusted.keys())
    if not known:
        signers = ", ".join(sorted(signatures)) or "nobody"
        raise BundleError(path, f"expected a signature of key {' or '.join(sorted(trusted))}, got one of {signers}")
    for key_id in known:
        with suppress(InvalidSignature, ValueError):
            trusted[key_id].verify(b64decode(signatures[key_id], validate=True), _CONTEXT + manifest)
            return manifest_digest(decode_manifest_file(directory / MANIFEST_FILE, manifest))
    raise BundleError(path, f"the signature of key {known[0]} is not of this {MANIFEST_FILE}: one of them was altered")


def sign_bundle(directory: Path, key_file: Path) -> str:
    """Sign a bundle, <name>/<version>; signatures of other keys stay. Return the key's id.

    The bundle is not verified but for its manifest: do that before.

    Raises:
        SigningKeyError: The key cannot be read.
        BundleError: The manifest cannot be read.
        OSError: The signature cannot be written.
    """
    key = _read_private_key(key_file)
    manifest = read_file(directory / MANIFEST_FILE)
    decode_manifest_file(directory / MANIFEST_FILE, manifest)
    path = directory / SIGNATURE_FILE
    signatures = _read_signatures(path) if path.exists() else {}
    key_id = _id_of(key.public_key())
    signatures = signatures | {key_id: b64encode(key.sign(_CONTEXT + manifest)).decode()}
    staged = directory / f".{SIGNATURE_FILE}.{os.getpid()}"
    staged.write_bytes(msgspec.json.format(msgspec.json.encode(_Signatures(signatures), order="sorted")) + b"\n")
    staged.replace(path)
    return key_id


def make_key(path: Path) -> tuple[str, Path]:
    """Make a key: the private one in a file that only its owner can read, the public one beside it.

    Returns:
        The key's id, and the file of the public key.

    Raises:
        SigningKeyError: ``cryptography`` is not installed.
        OSError: A file cannot be written, or exists.
    """
    try:
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - an extra
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415
    except ImportError as error:
        raise SigningKeyError(f"{path}: keys cannot be made here; {_INSTALL}") from error
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    public_path = path.with_suffix(".pub.pem")
    for file, text, mode in ((path, private, 0o600), (public_path, public, 0o644)):
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
            stream.write(text)
    return _id_of(key.public_key()), public_path


def _read_signatures(path: Path) -> dict[str, str]:
    try:
        signatures = msgspec.json.decode(read_file(path), type=_Signatures).ed25519
    except msgspec.MsgspecError as error:
        raise BundleError(path, f"is not a file of signatures: {error}") from error
    if len(signatures) > _MAX_SIGNATURES:
        raise BundleError(path, f"expected at most {_MAX_SIGNATURES} signatures, got {len(signatures)}")
    return signatures


def _read_private_key(path: Path) -> Ed25519PrivateKey:
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - an extra
        from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415
    except ImportError as error:
        raise SigningKeyError(f"{path}: bundles cannot be signed here; {_INSTALL}") from error
    try:
        key = load_pem_private_key(_read_key_file(path), None)
    except (ValueError, TypeError) as error:  # TypeError: it is encrypted
        raise SigningKeyError(f"{path}: expected a private key in PEM, without a password: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningKeyError(f"{path}: expected an Ed25519 key, got one of another kind")
    return key


def _read_key_file(path: Path) -> bytes:
    try:
        return read_file(path)
    except BundleError as error:
        raise SigningKeyError(str(error)) from error


def _id_of(key: Ed25519PublicKey) -> str:
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:_KEY_ID_DIGITS]
