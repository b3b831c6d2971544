"""The command line before a parser sees it.

Configurations by name, and the default run directory.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from stylewav_pl.commands.configuration import Document, is_address, read_configuration
from stylewav_pl.commands.nearest import did_you_mean
from stylewav_pl.errors import ConfigError
from stylewav_pl.installed import configs_directory

_FLAGS = ("--config", "-c")
FILE, MANIFEST = "config.yaml", "manifest.json"  # of a run directory


def expand_configs(argv: Sequence[str]) -> list[str]:
    """Replaces each configuration that is not in the working directory by the installed one of that name."""
    return [_expand(argv[index - 1] if index else "", word) for index, word in enumerate(argv)]


def _expand(before: str, word: str) -> str:
    if before in _FLAGS:
        return _find(word)
    flag, equals, value = word.partition("=")
    return f"{flag}={_find(value)}" if equals and flag in _FLAGS else word


def _find(name: str) -> str:
    if Path(name).exists():
        return name
    installed, plain = configs_directory(), name.removeprefix("configs/")
    for candidate in (installed / plain, installed / f"{plain}.yaml"):
        if candidate.is_file():
            return str(candidate)
    return name  # the parser says that it is missing


def read_configs(argv: Sequence[str]) -> list[Document]:
    """Reads every configuration named on the command line; mistakes in its settings are the parser's to tell.

    Args:
        argv: What :func:`expand_configs` gave.

    Raises:
        ConfigError: One is missing, a folder, an address, or no configuration.
    """
    return [_read(name) for name in config_names(argv)]


def _read(name: str) -> Document:
    if is_address(name):
        raise ConfigError(
            f"Expected a file as configuration, found the address {name}: nothing is fetched from there. "
            "Fetch it, look at what it names, and give the file to --config."
        )
    path = Path(name)
    if path.is_dir():
        raise ConfigError(f"Expected a configuration, found the folder {path}. Name a YAML file in it.")
    if not path.exists():
        shipped = shipped_configs()
        raise ConfigError(
            f"There is no configuration {path}, neither here nor in the package, which has: "
            f"{', '.join(shipped)}.{did_you_mean(path.name, shipped)}"
        )
    return read_configuration(path)


def shipped_configs() -> list[str]:
    """The names of the configurations that come with the package."""
    folder = configs_directory()
    return [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.yaml"))]


def config_names(argv: Sequence[str]) -> Iterator[str]:
    """The configurations named on the command line, in order.

    >>> list(config_names(["--config", "a.yaml", "-c=b/c.yaml", "--run", "out"]))
    ['a.yaml', 'b/c.yaml']
    """
    for index, word in enumerate(argv):
        flag, equals, value = word.partition("=")
        if word in _FLAGS and index + 1 < len(argv):
            yield argv[index + 1]
        elif equals and flag in _FLAGS:
            yield value


def run_name(argv: Sequence[str]) -> str:
    """The default run directory: ``runs/`` and the stems of all configurations.

    For the configuration that a run has written it is that run's own.

    >>> run_name(["--config", "configs/sex.yaml", "--config=configs/quick.yaml"])
    'runs/sex+quick'
    """
    paths = [Path(name) for name in config_names(argv)]
    own = [path.parent for path in paths if path.name == FILE and (path.parent / MANIFEST).is_file()]
    if own:
        return str(own[0])
    stems = [path.stem for path in paths]
    return f"runs/{'+'.join(stems) or 'unnamed'}"
