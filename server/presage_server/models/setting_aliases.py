"""SetAliases: changes of aliases that callers ask for."""

from __future__ import annotations

from pathlib import Path

from presage.v1 import model_service_pb2 as pb
from presage_export.registry import AliasesError, RollbackRules, StaleAliasesError, read_aliases
from presage_featurizer.custom import CustomFeatures
from presage_server.clock import Clock
from presage_server.errors import (
    InvalidRequestError,
    ModelError,
    ModelNotFoundError,
    StaleRevisionError,
    VersionRejectedError,
)
from presage_server.models.aliases_messages import aliases_from_proto, aliases_to_proto
from presage_server.models.folder_names import without_folder
from presage_server.models.registry import FindProblems, change_aliases, find_model
from presage_server.models.served import Models
from presage_server.models.verifying import Verifier

__all__ = ["AliasSetter", "verify_aside"]

_MAX_NAME_BYTES, _MAX_REASON_BYTES = 256, 1_024


class AliasSetter:
    """Changes the aliases of a folder's models.

    Args:
        directory: The folder of bundles.
        models: What this process serves.
        find_problems: Verifies versions.
        clock: The time of the history.
    """

    def __init__(self, directory: Path, models: Models, find_problems: FindProblems, clock: Clock) -> None:
        self._directory = directory
        self._models = models
        self._find_problems = find_problems
        self._clock = clock

    def set_aliases(self, request: pb.SetAliasesRequest) -> pb.SetAliasesResponse:
        """Change the aliases of a model, and return them with the new revision. Reads files; for any thread.

        Raises:
            InvalidRequestError: The request breaks the contract.
            ModelNotFoundError: There is no such model.
            StaleRevisionError: There is a newer revision.
            VersionRejectedError: A version cannot be served, or the present file not be read.
        """
        _check_text("changed_by", request.changed_by, 1, _MAX_NAME_BYTES)
        _check_text("reason", request.reason, 0, _MAX_REASON_BYTES)
        if not request.HasField("aliases"):
            raise InvalidRequestError("expected all aliases as they are to be, got none", field="aliases")
        name = request.model or self._models.default_name
        try:
            find_model(self._directory, name)
        except ModelError as error:
            problem = self._without_folder(str(error).partition(": ")[2])
            raise ModelNotFoundError(problem, field="model") from error
        folder = self._directory / name
        # Of the request only, before the folder is looked at.
        aliases_from_proto(request.aliases, RollbackRules())
        try:
            aliases = aliases_from_proto(request.aliases, read_aliases(folder).rollback)
            changed = change_aliases(
                self._directory,
                name,
                aliases,
                self._find_problems,
                now_unix_micros=self._clock(),
                changed_by=request.changed_by,
                reason=request.reason,
            )
        except StaleAliasesError as error:
            raise StaleRevisionError(str(error)) from error
        except (AliasesError, ModelError) as error:
            raise VersionRejectedError(self._without_folder(str(error))) from error
        except OSError as error:
            raise VersionRejectedError(f"{name}: its folder cannot be written: {error.strerror}") from error
        return pb.SetAliasesResponse(aliases=aliases_to_proto(changed))

    def _without_folder(self, text: str) -> str:
        return without_folder(text, self._directory)


def verify_aside(directory: Path, custom: CustomFeatures | None = None, trusted: str = "") -> FindProblems:
    """Return what verifies versions in a child process, so that no call of this one waits for it."""

    def find_problems(name: str, versions: list[str]) -> dict[str, str]:
        found = Verifier(directory, custom, trusted=trusted).verify([(name, version) for version in versions])
        return {version: outcome for (_, version), outcome in found.items() if isinstance(outcome, str)}

    return find_problems


def _check_text(field: str, text: str, low: int, high: int) -> None:
    if not low <= len(text.encode()) <= high:
        raise InvalidRequestError(f"expected {low} to {high} bytes, got {len(text.encode())}", field=field)
