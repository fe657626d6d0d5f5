// swift-tools-version:5.7
// @name@ as a Swift package; filled in by edgeemb export. It stands in the bundle's own folder, since a package cannot reach outside of its folder.
import PackageDescription

let package = Package(
    name: "@module@",
    platforms: [.iOS(.v13), .macOS(.v11)],
    products: [.library(name: "@module@", targets: ["@module@"])],
    targets: [
        .target(
            name: "C@module@",
            path: ".",
            exclude: [@exclude@],
            sources: ["model.c", "kit/check.c", "@weights@"],
            publicHeadersPath: "kit/include",
            cSettings: [.headerSearchPath(".")]),
        .target(name: "@module@", dependencies: ["C@module@"], path: "kit/Sources"),
    ]
)
