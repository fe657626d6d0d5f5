"""Swift of the iOS kit for classifiers: pairs of texts, classes with probabilities, and ranked texts, as sessions give them."""

from __future__ import annotations

from edgeemb.bundle.manifest import Manifest
from edgeemb.tasks.registry import CLASSIFICATION, CROSS_ENCODER, TASKS

_PAIR = """
    /// Logits of a pair of texts. Of texts that are too long together, a token at a time is cut off the one that has more.
    public func encode(_ text: String, _ pair: String) throws -> [Float] {
        running.lock()
        defer { running.unlock() }
        var output = [Float](repeating: 0, count: TextModel.outputs)
        let first = Array(text.utf8CString)
        let second = Array(pair.utf8CString)
        try check(@prefix@_run_pair(arena, arenaBytes, first, first.count - 1, second, second.count - 1, &output))
        return output
    }
"""

_CLASSIFY = """
    /// The classes of a text, the most probable first.
    public func classify(_ text: String) throws -> [Label] {
        return classes(try encode(text))
    }

    private func classes(_ logits: [Float]) -> [Label] {
        let scores = probabilities(logits)
        let order = scores.indices.sorted { scores[$0] == scores[$1] ? $0 < $1 : scores[$0] > scores[$1] }
        return order.map { Label(label: name($0), score: scores[$0]) }
    }

    private func name(_ number: Int) -> String {
        return TextModel.labels.count == TextModel.outputs ? TextModel.labels[number] : String(number)
    }
"""

_CLASSIFY_PAIR = """
    /// The classes of a pair of texts, the most probable first.
    public func classify(_ text: String, _ pair: String) throws -> [Label] {
        return classes(try encode(text, pair))
    }
"""

_RANK = """
    /// Texts in the order in which they answer a query, the best first.
    public func rank(_ query: String, _ texts: [String]) throws -> [Ranked] {
        let logits = try texts.map { try encode(query, $0)[0] }
        let scores = probabilities(logits)
        let order = texts.indices.sorted { logits[$0] == logits[$1] ? $0 < $1 : logits[$0] > logits[$1] }
        return order.map { Ranked(index: $0, text: texts[$0], score: scores[$0]) }
    }
"""

_LABEL = """
    /// A class of a text, with its probability.
    public struct Label {
        public let label: String
        public let score: Float
    }
"""

_RANKED = """
    /// A text with its place among those that were given, and how well it answers the query.
    public struct Ranked {
        public let index: Int
        public let text: String
        public let score: Float
    }
"""

_PROBABILITIES = """
    private func probabilities(_ logits: [Float]) -> [Float] {
@body@
    }
"""

#: What makes scores of logits, by the manifest's `activation`.
_BODIES = {
    "softmax": """\
        let largest = logits.max() ?? 0
        let raised = logits.map { exp(Double($0 - largest)) }
        let sum = raised.reduce(0, +)
        return raised.map { Float($0 / sum) }""",
    "sigmoid": "        return logits.map { Float(1 / (1 + exp(-Double($0)))) }",
    "": "        return logits",
}


def answers(manifest: Manifest, prefix: str) -> str:
    """Members of the class for what a model answers; nothing where it gives vectors.

    :param manifest: of the bundle.
    :param prefix: prefix of the C symbols.
    """
    task = TASKS.get(manifest.kind)
    # A model without a vocabulary takes single texts.
    pairs = not manifest.tokenizer
    if task is CLASSIFICATION:
        members = _LABEL + _CLASSIFY + (_CLASSIFY_PAIR if pairs else "")
        activation = manifest.activation or "softmax"
    elif task is CROSS_ENCODER and pairs:
        members = _RANKED + _RANK
        activation = manifest.activation
    else:
        return ""
    members += _PROBABILITIES.replace("@body@", _BODIES[activation])
    return members + (_PAIR.replace("@prefix@", prefix) if pairs else "")
