"""The Android kit: a Gradle module, its native libraries, and the same as one archive."""
