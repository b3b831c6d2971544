"""The section ``data`` of a configuration alone: no network is loaded."""

from collections.abc import Iterable, Mapping
from typing import Any

from jsonargparse import ArgumentError, ArgumentParser

from stylewav_pl.commands.trusted_classes import allow, check_classes, denied_in, without_working_folder
from stylewav_pl.data import ClipDataModule
from stylewav_pl.errors import ConfigError


def build_data(settings: Mapping[str, Any], names: Iterable[str]) -> ClipDataModule:
    """Builds the data module that the section describes.

    Args:
        settings: The section.
        names: Dotted names of classes that it may use besides those of this package.

    Raises:
        ConfigError: It names a class that is refused, or something that is no class.
        jsonargparse.ArgumentError: Another setting is wrong.
    """
    with without_working_folder():
        allow(names)
        parser = ArgumentParser(exit_on_error=False)
        parser.add_class_arguments(ClipDataModule, "data")
        try:
            parsed = parser.parse_object({"data": settings})
        except ArgumentError as error:
            if why := denied_in(str(error)):
                raise ConfigError(f"{why}. Correct the section data.") from error
            raise
        check_classes(parsed)
        data: ClipDataModule = parser.instantiate_classes(parsed).data
    return data
