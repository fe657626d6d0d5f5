"""Our native libraries: where they are, how they are called, and the compilers that build them."""
