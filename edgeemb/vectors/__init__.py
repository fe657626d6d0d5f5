"""Vectors of a text as small as the index needs: fewer dimensions, and codes of a few bits. All of it is numpy."""
