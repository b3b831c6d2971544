"""Where the files that come with the package lie, in a wheel and in a checkout.

Imports nothing heavy: the command line uses this before torch is loaded.
"""

from pathlib import Path

from stylewav_pl.errors import ConfigError

PACKAGE = Path(__file__).resolve().parent


def configs_directory(package: Path = PACKAGE) -> Path:
    """The directory of the shipped experiment configurations.

    Args:
        package: The directory of the package; another one only in tests.

    Returns:
        ``configs`` inside the package (a wheel was installed), else the one beside the package (a checkout).

    Raises:
        ConfigError: Neither is there: the installation is damaged.
    """
    inside, beside = package / "configs", package.parent / "configs"
    if inside.is_dir():
        return inside
    # Without its pyproject.toml a neighbour named "configs" may belong to anybody, e.g. in site-packages.
    if beside.is_dir() and (package.parent / "pyproject.toml").is_file():
        return beside
    raise ConfigError(
        f"No configs at {inside} (installed package) or {beside} (checkout). Install stylewav-pl again, or "
        "give the path of a YAML file."
    )
