"""The section ``data`` of a configuration alone: no network is loaded."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jsonargparse import ArgumentError, ArgumentParser

from stylewav_pl.commands.configuration import Document
from stylewav_pl.commands.refusals import Refusal
from stylewav_pl.commands.trusted_classes import allow, check_classes, without_working_folder
from stylewav_pl.data import ClipDataModule
from stylewav_pl.errors import ConfigError


def build_data(
    settings: Mapping[str, Any], names: Iterable[str], documents: Sequence[Document] = ()
) -> ClipDataModule:
    """Builds the data module that the section describes.

    Args:
        settings: The section.
        names: Dotted names of classes that it may use besides those of this package.
        documents: The configurations that it is from, to name the line of what is wrong.

    Raises:
        ConfigError: A setting is wrong, or names a class that is refused, or something that is no class.
    """
    with without_working_folder():
        allow(names)
        parser = ArgumentParser(exit_on_error=False)
        parser.add_class_arguments(ClipDataModule, "data")
        try:
            parsed = parser.parse_object({"data": settings})
        except ArgumentError as error:
            raise ConfigError(Refusal(str(error), parser, documents=documents).sentence()) from error
        check_classes(parsed)
        data: ClipDataModule = parser.instantiate_classes(parsed).data
    return data
