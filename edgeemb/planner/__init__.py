"""The choice of table specs for a budget or a quality."""
