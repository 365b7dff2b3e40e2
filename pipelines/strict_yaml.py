"""YAML in which no key stands twice: the second of two would silently replace the first."""

from __future__ import annotations

from typing import Any

import yaml


class _StrictLoader(yaml.SafeLoader):
    """PyYAML's safe loader, which by itself lets the last of two equal keys win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in lines:
                    first = lines[key.value]
                    problem = f"the key {key.value!r} stands here a second time, first in line {first}; keep one"
                    raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
                lines[key.value] = key.start_mark.line + 1
        return super().construct_mapping(node, deep)


def load_yaml(text: str) -> Any:
    """The document's content. Raises `ValueError`, one line that names the line and column at fault."""
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 (a subclass of the safe loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ValueError(f"{place}{' '.join((error.problem or str(error)).split())}") from None
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None
