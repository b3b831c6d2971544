"""One module per sub-command of ``stylewav-pl``, each with ``run(command, options) -> exit code``."""
