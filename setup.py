"""The one build step that pyproject.toml cannot say.

The repository's ``configs/`` become ``stylewav_pl/configs`` in the wheel.

In the repository they stay at the top level, where a newcomer looks for them; ``stylewav_pl.installed`` finds
them in both places.
"""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithConfigs(build_py):
    """Builds the package, then adds the configs.

    Not in an editable install, which reads those of the repository.
    """

    def run(self) -> None:
        """Runs the usual build and copies ``configs/**/*.yaml``."""
        super().run()
        if not self.editable_mode:
            for source, target in self._configs().items():
                self.mkpath(str(Path(target).parent))
                self.copy_file(source, target)

    def get_output_mapping(self) -> dict[str, str]:
        """Built file to source file, the configs included."""
        configs = {} if self.editable_mode else {target: source for source, target in self._configs().items()}
        return {**super().get_output_mapping(), **configs}

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """Every built file, the configs included."""
        configs = [] if self.editable_mode else list(self._configs().values())
        return [*super().get_outputs(include_bytecode), *configs]

    def _configs(self) -> dict[str, str]:
        return {
            str(path): str(Path(self.build_lib, "stylewav_pl", path))
            for path in sorted(Path("configs").rglob("*.yaml"))
        }


setup(cmdclass={"build_py": BuildWithConfigs})
