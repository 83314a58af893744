"""The Hugging Face Hub: files down, folders up, every failure in plain words. The one room that talks to it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import httpx2
from huggingface_hub import HfApi, constants, get_hf_file_metadata, hf_hub_download, hf_hub_url
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from dan_model.errors import CheckpointError

PATIENCE = 5.0  # seconds until a silent Hub counts as unreachable
ADDRESS = re.compile(r"(?P<repo>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(@(?P<revision>[\w./-]+))?(:(?P<file>[^:]+))?")


class UnreachableError(CheckpointError):
    """The Hub cannot be reached, or does not answer, and no copy is kept here."""


@dataclass(frozen=True)
class HubAddress:
    """`user/name`, `user/name@revision`, each with `:file` for a file of a name of its own.

    Attributes:
        repo: `user/name`.
        revision: Branch, tag or commit.
        file: A bare weights file in the repository, or None for the usual two files.
    """

    repo: str
    revision: str = constants.DEFAULT_REVISION
    file: str | None = None

    @classmethod
    def parse(cls, text: str) -> HubAddress | None:
        """The address, or None where the text is not of that form."""
        match = ADDRESS.fullmatch(text)
        if match is None:
            return None
        return cls(match["repo"], match["revision"] or constants.DEFAULT_REVISION, match["file"])

    def __str__(self) -> str:
        """As a person would write it."""
        revision = "" if self.revision == constants.DEFAULT_REVISION else f"@{self.revision}"
        return f"{self.repo}{revision}" + (f":{self.file}" if self.file else "")


@dataclass(frozen=True)
class HubFolder:
    """One commit of a repository, from which files can be had.

    Attributes:
        address: What was asked for.
        unreachable: Why files come from the cache alone, or None where the Hub answers.
    """

    address: HubAddress
    unreachable: str | None

    @classmethod
    def open(cls, address: HubAddress, first_file: str) -> HubFolder:
        """Ask the Hub once, without retries, whether the repository has a file.

        Raises:
            CheckpointError: It answers, and says no.
        """
        url = hf_hub_url(address.repo, first_file, revision=address.revision)
        try:
            get_hf_file_metadata(url, timeout=PATIENCE)
        except (httpx2.TransportError, OfflineModeIsEnabled) as error:
            offline = isinstance(error, OfflineModeIsEnabled)
            return cls(address, "HF_HUB_OFFLINE is set" if offline else "the Hub cannot be reached")
        except HfHubHTTPError as error:
            status = error.response.status_code
            if status == 429:
                return cls(address, "the Hub asks to wait (too many requests)")
            if status >= 500:
                return cls(address, f"the Hub is out of order (status {status})")
            raise _refusal(address, first_file, error) from error
        except HFValidationError as error:
            raise CheckpointError(f"{address.repo!r} is no repository name.", "Write it as user/name.") from error
        return cls(address, None)

    def fetch(self, filename: str) -> tuple[Path, str]:
        """A file of this commit, from the Hub or the cache, with its contents checked against its hash.

        Returns:
            The cached file, and the commit it belongs to (40 hex digits).

        Raises:
            UnreachableError: The Hub does not answer, and no copy is kept here.
            CheckpointError: There is no such file, the download broke off, or the contents are not what they should be.
        """
        try:
            path = Path(
                hf_hub_download(
                    self.address.repo,
                    filename,
                    revision=self.address.revision,
                    local_files_only=self.unreachable is not None,
                    etag_timeout=PATIENCE,
                )
            )
        except LocalEntryNotFoundError as error:
            raise UnreachableError(
                f"{filename} of {self.address} is not kept here, and {self.unreachable or 'the Hub fell silent'}.",
                "Try again when it is back, or give a folder.",
            ) from error
        except (HfHubHTTPError, EntryNotFoundError) as error:
            raise _refusal(self.address, filename, error) from error
        except (OSError, httpx2.TransportError) as error:
            raise CheckpointError(
                f"The download of {filename} from {self.address} broke off: {_line(error)}", "Try again."
            ) from error
        _check_contents(path, filename, self.address)
        return path, path.parents[filename.count("/")].name


def hub_endpoint() -> str:
    """The address of the Hub in use (HF_ENDPOINT)."""
    return constants.ENDPOINT


def push_folder(folder: Path, repo: str, files: list[str], message: str) -> str:
    """Publish files of a folder as a model repository, made if it is not there.

    Args:
        folder: The checkpoint's folder.
        repo: `user/name`.
        files: Names in the folder; nothing else is sent.
        message: The commit's message.

    Returns:
        The commit's address.

    Raises:
        CheckpointError: No or too weak a token, a bad name, or the Hub does not answer.
    """
    api = HfApi()
    try:
        api.create_repo(repo, repo_type="model", exist_ok=True)
        return api.upload_folder(
            folder_path=folder, repo_id=repo, allow_patterns=files, commit_message=message
        ).commit_url
    except HFValidationError as error:
        raise CheckpointError(f"{repo!r} is no repository name.", "Write it as user/name.") from error
    except (LocalTokenNotFoundError, HfHubHTTPError) as error:
        status = error.response.status_code if isinstance(error, HfHubHTTPError) else 401
        if status in (401, 403):
            raise CheckpointError(
                f"The Hub does not let you write to {repo} (status {status}).",
                "Log in with a token that may write: hf auth login, or set HF_TOKEN.",
            ) from error
        raise CheckpointError(f"The Hub refused {repo}: {_line(error)}", "Mend that and push again.") from error
    except (OfflineModeIsEnabled, httpx2.TransportError) as error:
        raise UnreachableError("The Hub cannot be reached; nothing was published.", "Try again when it is.") from error


def _refusal(address: HubAddress, filename: str, error: Exception) -> CheckpointError:
    """The Hub's "no", by its reason."""
    if isinstance(error, GatedRepoError):
        return CheckpointError(
            f"{address.repo} is gated.", "Ask for access on its page, then log in: hf auth login, or set HF_TOKEN."
        )
    if isinstance(error, RepositoryNotFoundError):
        return CheckpointError(
            f"There is no {address.repo} on the Hub, or it is private.", "Check the name, or log in: hf auth login."
        )
    if isinstance(error, RevisionNotFoundError):
        return CheckpointError(
            f"{address.repo} has no revision {address.revision!r}.", "Give a branch, tag or commit that it has."
        )
    if isinstance(error, EntryNotFoundError):
        return CheckpointError(
            f"{address.repo} at {address.revision} has no {filename}.",
            "It needs config.json and model.safetensors; or name a file, user/name:file.pth, with --preset.",
        )
    status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
    if status in (401, 403):
        return CheckpointError(
            f"The Hub does not let you read {address.repo} (status {status}).",
            "Log in: hf auth login, or set HF_TOKEN.",
        )
    return CheckpointError(f"The Hub refused {filename} of {address}: {_line(error)}", "Check the address and log in.")


def _check_contents(path: Path, filename: str, address: HubAddress) -> None:
    """Compare a cached file with the hash it is kept under: SHA-256 for large files, git's SHA-1 for small ones."""
    blob = path.resolve()
    data = blob.read_bytes()
    if re.fullmatch(r"[0-9a-f]{64}", blob.name):
        found = hashlib.sha256(data).hexdigest()
    elif re.fullmatch(r"[0-9a-f]{40}", blob.name):
        found = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
    else:
        return
    if found != blob.name:
        blob.unlink()
        path.unlink(missing_ok=True)
        raise CheckpointError(
            f"{filename} of {address} is damaged: its contents do not match its hash ({found[:12]}… instead of "
            f"{blob.name[:12]}…).",
            "The damaged copy was removed; load again.",
        )


def _line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:200] if text else type(error).__name__
