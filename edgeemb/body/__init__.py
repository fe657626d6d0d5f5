"""What is done to the rest of a model, apart from its tables, before any writer."""
