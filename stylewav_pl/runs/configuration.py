"""``config.yaml``: the configuration that a run was made with."""

from collections.abc import Mapping
from typing import Any

import yaml

from stylewav_pl import bounded_yaml
from stylewav_pl.errors import RunDirectoryError, one_line
from stylewav_pl.files import write_text
from stylewav_pl.runs.digests import digest_of_file
from stylewav_pl.runs.identity import differences, digest_of_identity
from stylewav_pl.runs.manifest import ManifestFile

FILE = "config.yaml"
_IDENTITY = "identity"


class ConfigurationFile:
    """The configuration of a run, which its manifest knows by a hash, too.

    Args:
        manifest: Of the run.
    """

    def __init__(self, manifest: ManifestFile) -> None:
        self.run, self.path = manifest.run, manifest.run / FILE
        self.manifest = manifest

    def adopt(self, config: Mapping[str, Any]) -> str:
        """Makes ``config`` the run's configuration, or checks that it is the one the run was made with.

        Returns:
            What was wrong with the file, which is written again; empty where nothing was.

        Raises:
            RunDirectoryError: The run was made with another configuration.
        """
        self.check(config)
        recorded, wrong = self.manifest.recorded(FILE), self.manifest.wrong_with(FILE)
        if wrong or not self.path.exists():
            write_text(self.path, yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True))
        if wrong or recorded is None:
            self.manifest.record({FILE: digest_of_file(self.path)}, {_IDENTITY: digest_of_identity(config)})
        return wrong

    def check(self, config: Mapping[str, Any]) -> None:
        """Checks that the run, if it has a configuration, was made with ``config``.

        Raises:
            RunDirectoryError: It was made with another, or nobody can tell because the file is damaged.
        """
        if wrong := self.manifest.wrong_with(FILE):
            if self.manifest.read().get(_IDENTITY) != digest_of_identity(config):
                raise RunDirectoryError(
                    f"{self.path} {wrong}, and the run was not made with the present configuration. Restore "
                    "the file, use another directory (--run DIR), or begin anew with --restart."
                )
        elif self.path.exists() and (changed := differences(self.read(), config)):
            listed = "\n".join(f"  {line}" for line in changed)
            raise RunDirectoryError(
                f"{self.run} was made with another configuration:\n{listed}\n"
                "Use another directory (--run DIR), or --restart to move the old one aside and begin anew."
            )

    def read(self) -> dict[str, Any]:
        """The settings.

        Raises:
            RunDirectoryError: The file is missing, or is no configuration.
        """
        try:
            found = bounded_yaml.load(self.path.read_text("utf-8", "surrogateescape"))
        except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
            raise self._unreadable(one_line(error)) from error
        if not isinstance(found, dict):
            raise self._unreadable(f"expected settings, found {type(found).__name__}")
        return found

    def _unreadable(self, why: str) -> RunDirectoryError:
        return RunDirectoryError(
            f"{self.path} cannot be read ({why}). Restore it, or begin anew with --restart."
        )
