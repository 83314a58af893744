"""The Hugging Face Hub: download files, publish folders, explain every failure. Nothing else connects to it."""

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

TIMEOUT = 5.0  # seconds until a Hub that does not answer counts as unreachable
ADDRESS = re.compile(r"(?P<repo>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(@(?P<revision>[\w./-]+))?(:(?P<file>[^:]+))?")


class UnreachableError(CheckpointError):
    """The Hub cannot be reached or does not answer, and there is no copy in the cache."""


class MissingFileError(CheckpointError):
    """A repository has no file of this name."""


@dataclass(frozen=True)
class HubAddress:
    """A repository on the Hub: `user/name` or `user/name@revision`, and either with `:file` for a published file.

    Attributes:
        repo: `user/name`.
        revision: Branch, tag or commit.
        file: A file in the published layout, by its path in the repository. None: the usual files of a checkpoint.
    """

    repo: str
    revision: str = constants.DEFAULT_REVISION
    file: str | None = None

    @classmethod
    def parse(cls, text: str) -> HubAddress | None:
        """Parse an address; None if the text does not have this form."""
        match = ADDRESS.fullmatch(text)
        if match is None:
            return None
        return cls(match["repo"], match["revision"] or constants.DEFAULT_REVISION, match["file"])

    def __str__(self) -> str:
        """The address in the form that `parse` reads, as short as possible."""
        revision = "" if self.revision == constants.DEFAULT_REVISION else f"@{self.revision}"
        return f"{self.repo}{revision}" + (f":{self.file}" if self.file else "")


@dataclass(frozen=True)
class HubFolder:
    """One revision of a repository, to download files from.

    Attributes:
        address: The repository and the revision.
        unreachable: Why files are taken from the cache only, or None if the Hub answers.
    """

    address: HubAddress
    unreachable: str | None

    @classmethod
    def open(cls, address: HubAddress, first_file: str) -> HubFolder:
        """Check with a single request, without retries, that the Hub answers and that the repository has a file.

        Raises:
            CheckpointError: The Hub answers and refuses the request.
        """
        url = hf_hub_url(address.repo, first_file, revision=address.revision)
        try:
            get_hf_file_metadata(url, timeout=TIMEOUT)
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
        """Download a file of this revision, or take it from the cache, and check its contents against its hash.

        Returns:
            The cached file, and the commit it belongs to (40 hex digits).

        Raises:
            UnreachableError: The Hub does not answer, and there is no copy in the cache.
            CheckpointError: There is no such file, the download broke off, or the contents do not match the hash.
        """
        # Download; every failure becomes one of our errors.
        try:
            path = Path(
                hf_hub_download(
                    self.address.repo,
                    filename,
                    revision=self.address.revision,
                    local_files_only=self.unreachable is not None,
                    etag_timeout=TIMEOUT,
                )
            )
        except LocalEntryNotFoundError as error:
            raise UnreachableError(
                f"{filename} of {self.address} is not in the cache, and "
                f"{self.unreachable or 'the Hub stopped answering'}.",
                "Try again later, or give a folder.",
            ) from error
        except (HfHubHTTPError, EntryNotFoundError) as error:
            raise _refusal(self.address, filename, error) from error
        except (OSError, httpx2.TransportError) as error:
            raise CheckpointError(
                f"The download of {filename} from {self.address} broke off: {_first_line(error)}", "Try again."
            ) from error
        # The cache stores a file as snapshots/COMMIT/filename.
        _check_contents(path, filename, self.address)
        return path, path.parents[filename.count("/")].name


def hub_endpoint() -> str:
    """The address of the Hub in use (HF_ENDPOINT)."""
    return constants.ENDPOINT


def push_folder(folder: Path, repo: str, files: list[str], message: str) -> str:
    """Publish files of a folder as a model repository, which is created if it does not exist.

    Args:
        folder: The checkpoint's folder.
        repo: `user/name`.
        files: File names in the folder; nothing else is sent.
        message: The commit message.

    Returns:
        The URL of the commit.

    Raises:
        CheckpointError: The token is missing or may not write, the name is not valid, or the Hub refuses the request.
        UnreachableError: The Hub does not answer.
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
        raise CheckpointError(
            f"The Hub refused {repo}: {_first_line(error)}", "Correct the cause and push again."
        ) from error
    except (OfflineModeIsEnabled, httpx2.TransportError) as error:
        raise UnreachableError("The Hub cannot be reached; nothing was published.", "Try again later.") from error


def _refusal(address: HubAddress, filename: str, error: Exception) -> CheckpointError:
    """The error for a request that the Hub refused, by its reason."""
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
        return MissingFileError(
            f"{address.repo} at {address.revision} has no {filename}.",
            "A checkpoint has config.json and model.safetensors; a published file is user/name:file.pth with --preset.",
        )
    status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
    if status in (401, 403):
        return CheckpointError(
            f"The Hub does not let you read {address.repo} (status {status}).",
            "Log in: hf auth login, or set HF_TOKEN.",
        )
    return CheckpointError(
        f"The Hub refused {filename} of {address}: {_first_line(error)}", "Check the address and log in."
    )


def _check_contents(path: Path, filename: str, address: HubAddress) -> None:
    """Compare a cached file with its hash, which is its name: SHA-256 for large files, git's SHA-1 for small ones."""
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
            "The damaged copy was removed; load the weights again.",
        )


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:200] if text else type(error).__name__
