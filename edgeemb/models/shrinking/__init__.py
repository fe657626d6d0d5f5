"""What makes a loaded model smaller: its tables, its vocabulary, its vectors, and how many logits come out."""
