"""A stand-in for the search with which clients choose among many tools: BM25 over names,
descriptions and the words about parameters, without any knowledge of the language.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping

from playrail.tools.schemas import description, listed_input_schema
from playrail.tools.tool import AnyTool

K1, B = 1.5, 0.75  # as most implementations have them
WORD = re.compile(r"[a-z0-9]+")


def words(text: str) -> list[str]:
    return WORD.findall(text.lower())


class ToolSearch:
    """Among tools, each by the name that is offered."""

    def __init__(self, tools: Mapping[str, AnyTool]) -> None:
        self.texts = {name: Counter(words(_text(name, tool))) for name, tool in tools.items()}
        self.average = sum(map(Counter.total, self.texts.values())) / len(self.texts)
        self.holding = Counter(word for text in self.texts.values() for word in text)

    def best(self, request: str) -> list[str]:
        """The names, the best first; of equals the first in the alphabet."""
        scores = {name: self._score(words(request), text) for name, text in self.texts.items()}
        return sorted(scores, key=lambda name: (-scores[name], name))

    def _score(self, asked: list[str], text: Counter[str]) -> float:
        return sum(self._weight(word, text) for word in asked if word in text)

    def _weight(self, word: str, text: Counter[str]) -> float:
        holding = self.holding[word]
        rare = math.log(1 + (len(self.texts) - holding + 0.5) / (holding + 0.5))
        length = 1 - B + B * text.total() / self.average
        return rare * text[word] * (K1 + 1) / (text[word] + K1 * length)


def _text(name: str, tool: AnyTool) -> str:
    fields = listed_input_schema(tool).get("properties", {})
    about = [f"{field} {schema.get('description', '')}" for field, schema in fields.items()]
    choices = [json.dumps(schema.get("enum", "")) for schema in fields.values()]
    return " ".join([name, description(tool), *about, *choices])
