"""What reads text: tokenizer files, corpora, pairs, the packaged sentences, and the tokenizer that needs no vocabulary."""
