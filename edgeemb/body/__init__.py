"""What is done to the rest of a model, its tables aside, whatever writer comes after."""
