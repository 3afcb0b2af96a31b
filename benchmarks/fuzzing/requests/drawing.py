"""The requests, each drawn from a seed and its number alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from benchmarks.fuzzing.byte_mutations import mutate_bytes
from benchmarks.fuzzing.protobuf.mutations import generate, mutate_tree
from benchmarks.fuzzing.protobuf.tree import Tree, encode_tree, read_tree
from benchmarks.fuzzing.protobuf.values import Vocabulary
from benchmarks.fuzzing.requests.methods import METHODS, Method

__all__ = ["Drawn", "RequestMaker"]

_BY_STRUCTURE, _BY_BYTES, _NEW, _OF_ANOTHER, _AS_IT_IS = range(5)
_WAYS = (*(_BY_STRUCTURE,) * 11, *(_BY_BYTES,) * 4, *(_NEW,) * 3, _OF_ANOTHER, _AS_IT_IS)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A request to be sent."""

    number: int
    method: Method
    request: bytes


class RequestMaker:
    """Draws requests.

    Args:
        seed: Of all of them.
        examples: Correct requests of each method, by its path.
        vocabulary: What they are about.
    """

    def __init__(self, seed: int, examples: Mapping[str, Sequence[bytes]], vocabulary: Vocabulary) -> None:
        self._seed = seed
        self._vocabulary = vocabulary
        self._examples = examples
        self._trees: dict[str, list[Tree]] = {
            method.path: [read_tree(data, method.request.DESCRIPTOR) for data in examples[method.path]]
            for method in METHODS
        }
        self._methods = [method for method in METHODS for _ in range(method.weight)]

    def draw(self, number: int) -> Drawn:
        """Make the request of a number."""
        random = Random(f"{self._seed}:{number}")
        method = random.choice(self._methods)
        return Drawn(number, method, self._request(random, method))

    def _request(self, random: Random, method: Method) -> bytes:
        descriptor, vocabulary = method.request.DESCRIPTOR, self._vocabulary
        examples = self._examples[method.path]
        match random.choice(_WAYS):
            case 0:
                return mutate_tree(random, random.choice(self._trees[method.path]), descriptor, vocabulary)
            case 1:
                return mutate_bytes(random, random.choice(examples), examples)
            case 2:
                return encode_tree(generate(random, descriptor, vocabulary))
            case 3:
                return random.choice(self._examples[random.choice(METHODS).path])
            case _:
                return random.choice(examples)
