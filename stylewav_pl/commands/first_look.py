"""What can be told about a command line at once, before the libraries of the networks are imported."""

from collections.abc import Sequence

from stylewav_pl.commands.arguments import config_names, expand_configs, read_configs
from stylewav_pl.errors import ConfigError

EXPERIMENTS = ("fit", "validate", "test", "predict")
READ_CONFIGURATIONS = (*EXPERIMENTS, "data")
HELP = {"-h", "--help"}
HELP_ALL = "--help-all"


def look_at(command: str, options: Sequence[str]) -> None:
    """Refuses a missing or damaged configuration.

    Args:
        command: The sub-command.
        options: The words after it.

    Raises:
        ConfigError: A configuration is missing, or is none.
    """
    if command not in READ_CONFIGURATIONS or (HELP | {HELP_ALL}) & set(options):
        return
    words = expand_configs(options)
    read_configs(words)
    asks = any(word.startswith("--print_") or word.partition("=")[0].endswith(".help") for word in words)
    given = asks or any(config_names(words)) or any(word.startswith("--data.sources") for word in words)
    if command in EXPERIMENTS and not given:
        raise ConfigError(
            f"Name an experiment with --config, e.g. stylewav-pl {command} --config demo.yaml. "
            f"`stylewav-pl {command} --help` tells more."
        )
