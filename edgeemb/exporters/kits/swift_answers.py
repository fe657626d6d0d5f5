"""Swift of the iOS kit for what a model answers, as sessions do: classes with probabilities, pairs of texts, ranked texts, labelled words, vectors of tokens, answers to questions, masked words."""

from __future__ import annotations

from edgeemb.bundle.manifest import Manifest
from edgeemb.exporters.escape import swift
from edgeemb.tasks.registry import (
    CLASSIFICATION,
    CROSS_ENCODER,
    MASKED_LM,
    MULTI_VECTOR,
    QUESTION_ANSWERING,
    TASKS,
    TOKEN_CLASSIFICATION,
)

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
"""

_NAME = """
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

_TOKENS = """
    /// What a token of a text gives.
    public struct Token {
        /// Its vector or logits.
        public let output: [Float]
        /// The bytes of the text's UTF-8 that it stands for; none for the tokens around a text.
        public let bytes: Range<Int>
    }

    /// The tokens of a text; the end of one that is too long is cut off.
    public func encodeTokens(_ text: String) throws -> [Token] {
        running.lock()
        defer { running.unlock() }
        let size = TextModel.outputs
        var output = [Float](repeating: 0, count: TextModel.tokens * size)
        var spans = [UInt32](repeating: 0, count: TextModel.tokens * 2)
        var count = 0
        let bytes = Array(text.utf8CString)
        try check(@prefix@_run_text(arena, arenaBytes, bytes, bytes.count - 1, &output, &spans, &count))
        return (0..<count).map { place in
            let row = Array(output[place * size..<(place + 1) * size])
            return Token(output: row, bytes: Int(spans[2 * place])..<Int(spans[2 * place + 1]))
        }
    }
"""

_VECTORS = """
    /// A vector for each token of a document, or of a query; `maxSim` compares a query with a document.
    public func encodeTokens(_ text: String, query: Bool = false) throws -> [[Float]] {
        running.lock()
        defer { running.unlock() }
        let size = TextModel.outputs
        var output = [Float](repeating: 0, count: TextModel.tokens * size)
        var count = 0
        let bytes = Array(text.utf8CString)
        let run = query ? @prefix@_run_query : @prefix@_run_document
        try check(run(arena, arenaBytes, bytes, bytes.count - 1, &output, &count))
        return (0..<count).map { Array(output[$0 * size..<($0 + 1) * size]) }
    }

    /// Texts in the order in which they answer a query, the best first.
    public func rank(_ query: String, _ texts: [String]) throws -> [Ranked] {
        let asked = try encodeTokens(query, query: true)
        let scores = try texts.map { TextModel.maxSim(asked, try encodeTokens($0)) }
        let order = texts.indices.sorted { scores[$0] == scores[$1] ? $0 < $1 : scores[$0] > scores[$1] }
        return order.map { Ranked(index: $0, text: texts[$0], score: scores[$0]) }
    }

    /// How well a document answers a query: of each vector of the query the largest dot product with one of the document's, summed (MaxSim).
    public static func maxSim(_ query: [[Float]], _ document: [[Float]]) -> Float {
        precondition(!document.isEmpty, "the document has no vectors: nothing can be compared")
        return query.reduce(0) { sum, left in
            sum + (document.map { right in zip(left, right).reduce(0) { $0 + $1.0 * $1.1 } }.max() ?? 0)
        }
    }
"""

_WORDS = """
    /// A word of a text with its label.
    public struct Word {
        public let text: String
        /// Where it is in the text.
        public let range: Range<String.Index>
        public let label: String
        /// The probability of the label.
        public let score: Float
    }

    /// The words of a text, runs of letters and digits and other characters by themselves, each with the label of its first token. Where the
    /// text is too long, the words of its end are left out.
    public func labelWords(_ text: String) throws -> [Word] {
        let tokens = try encodeTokens(text)
        let scalars = text.unicodeScalars
        let spaces = scalars.flatMap { [Bool](repeating: isSpace($0), count: UTF8.width($0)) }
        var first = [Int](repeating: -1, count: spaces.count)
        for place in tokens.indices.reversed() {
            // Tokens of some tokenizers have the space before them.
            for byte in tokens[place].bytes.drop(while: { spaces[$0] }) {
                first[byte] = place
            }
        }
        var words = [Word]()
        var start = scalars.startIndex
        var from = 0
        while start < scalars.endIndex {
            var end = scalars.index(after: start)
            var to = from + UTF8.width(scalars[start])
            while isOfWord(scalars[start]) && end < scalars.endIndex && isOfWord(scalars[end]) {
                to += UTF8.width(scalars[end])
                end = scalars.index(after: end)
            }
            if !spaces[from], let place = first[from..<to].first(where: { $0 >= 0 }) {
                let scores = probabilities(tokens[place].output)
                let best = scores.indices.reduce(0) { scores[$1] > scores[$0] ? $1 : $0 }
                words.append(Word(text: String(scalars[start..<end]), range: start..<end, label: name(best), score: scores[best]))
            }
            start = end
            from = to
        }
        return words
    }

    private func isOfWord(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .decimalNumber, .letterNumber, .otherNumber:
            return true
        default:
            return scalar == "_"
        }
    }

    private func isSpace(_ scalar: Unicode.Scalar) -> Bool {
        return scalar.properties.isWhitespace || (0x1c...0x1f).contains(scalar.value)
    }
"""

_ANSWERS = """
    /// A part of a text that answers a question.
    public struct Answer {
        public let text: String
        /// Where it is in the text.
        public let range: Range<String.Index>
        /// Its probability.
        public let score: Float
    }

    /// The most probable answers to a question, the best first: parts of the text, of which none lies over another. A text that does not fit
    /// beside its question is read in windows.
    public func answer(_ question: String, _ text: String, top: Int = 1) throws -> [Answer] {
        precondition(top > 0, "top is out of range: use 1 or more")
        running.lock()
        defer { running.unlock() }
        var spans = [UInt32](repeating: 0, count: top * 2)
        var scores = [Float](repeating: 0, count: top)
        var count = 0
        let first = Array(question.utf8CString)
        let second = Array(text.utf8CString)
        try check(@prefix@_answer(arena, arenaBytes, first, first.count - 1, second, second.count - 1, top, &spans, &scores, &count))
        return (0..<count).map { place in
            let start = text.utf8.index(text.utf8.startIndex, offsetBy: Int(spans[2 * place]))
            let end = text.utf8.index(text.utf8.startIndex, offsetBy: Int(spans[2 * place + 1]))
            return Answer(text: String(text.unicodeScalars[start..<end]), range: start..<end, score: scores[place])
        }
    }
"""

_FILLINGS = """
    /// A token that a masked place may hold.
    public struct Filling {
        public let token: String
        /// Its probability, among those that the model gives.
        public let score: Float
    }

    /// What marks a masked place in a text.
    public static let mask = "@mask@"

    /// What the masked places of a text may hold, in their order, the most probable first; nothing where no place is masked.
    public func fill(_ text: String, top: Int = 5) throws -> [[Filling]] {
        precondition(top > 0 && top <= TextModel.outputs, "top is out of range: the model gives the \\(TextModel.outputs) best tokens of a place")
        running.lock()
        defer { running.unlock() }
        let size = TextModel.outputs
        var scores = [Float](repeating: 0, count: TextModel.tokens * size)
        var tokens = [Int32](repeating: 0, count: TextModel.tokens * size)
        var count = 0
        let bytes = Array(text.utf8CString)
        try check(@prefix@_fill(arena, arenaBytes, bytes, bytes.count - 1, TextModel.tokens, &scores, &tokens, &count))
        return (0..<count).map { place in
            let found = (place * size..<(place + 1) * size).compactMap { at in spelled(tokens[at]).map { Filling(token: $0, score: scores[at]) } }
            return Array(found.prefix(top))
        }
    }

    private func spelled(_ token: Int32) -> String? {
        var count = 0
        guard let text = @prefix@_token(token, &count) else { return nil }
        return String(decoding: UnsafeRawBufferPointer(start: text, count: count), as: UTF8.self)
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


def answers(manifest: Manifest, prefix: str, mask: str = "") -> str:
    """Members of the class for what a model answers; nothing where it gives a vector for a text.

    :param manifest: of the bundle.
    :param prefix: prefix of the C symbols.
    :param mask: the mask token as it is written in a text; empty without one.
    """
    task = TASKS.get(manifest.kind)
    # A model without a vocabulary takes single texts.
    pairs = not manifest.tokenizer
    if task is MULTI_VECTOR:
        return _RANKED + _VECTORS.replace("@prefix@", prefix)
    if task is QUESTION_ANSWERING:
        return _ANSWERS.replace("@prefix@", prefix)
    if task is MASKED_LM and mask:
        return _FILLINGS.replace("@prefix@", prefix).replace("@mask@", swift(mask))
    if task is TOKEN_CLASSIFICATION:
        members = _TOKENS.replace("@prefix@", prefix) + _WORDS + _NAME
        return members + _PROBABILITIES.replace("@body@", _BODIES["softmax"])
    if task is CLASSIFICATION:
        members = _LABEL + _CLASSIFY + _NAME + (_CLASSIFY_PAIR if pairs else "")
        activation = manifest.activation or "softmax"
    elif task is CROSS_ENCODER and pairs:
        members = _RANKED + _RANK
        activation = manifest.activation
    else:
        return ""
    members += _PROBABILITIES.replace("@body@", _BODIES[activation])
    return members + (_PAIR.replace("@prefix@", prefix) if pairs else "")
