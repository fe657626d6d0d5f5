// @name@: filled in by edgeemb export.
import C@module@
import Foundation

/// Why the model refused; see micro/platform.h.
public struct ModelError: Error, CustomStringConvertible {
    public let status: Int32

    public var description: String {
        switch status {
@statuses@
        default: return "the model refused with status \(status)"
        }
    }
}

/// The model with its working memory. Threads may share one; they wait for each other while it runs. Several models run at once.
public final class TextModel {
    /// Elements of @result_of@.
    public static let outputs = Int(@prefix@_sizes.outputs)
    /// Tokens of the longest text.
    public static let tokens = Int(@prefix@_sizes.tokens)
    /// Names of the classes; empty for vectors.
    public static let labels: [String] = [@labels@]

    private let arenaBytes = Int(@prefix@_sizes.arena_bytes)
    private let arena: UnsafeMutableRawPointer
    private let running = NSLock()

    public init() {
        arena = UnsafeMutableRawPointer.allocate(byteCount: arenaBytes, alignment: 16)
    }

    deinit {
        arena.deallocate()
    }

    /// @encoded@ of a text that is given by its tokens, those around it included.
    public func encode(@label@: [@element@]) throws -> [Float] {
        running.lock()
        defer { running.unlock() }
        var output = [Float](repeating: 0, count: TextModel.outputs@rows@)
        try check(@prefix@_run(arena, arenaBytes, @label@, @label@.count / @width@, &output))
        return output
    }
@text@@answers@@vectors@
    /// How many of the bundle's golden texts give another result here than where it was exported: 0, bit for bit.
    public func mismatches() -> Int {
        running.lock()
        defer { running.unlock() }
        return Int(@prefix@_mismatches(arena))
    }

    private func check(_ status: Int32) throws {
        if status != 0 {
            throw ModelError(status: status)
        }
    }
}
