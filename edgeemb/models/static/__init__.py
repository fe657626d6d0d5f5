"""Static embeddings, such as model2vec's: a table, a mean, nothing else."""
