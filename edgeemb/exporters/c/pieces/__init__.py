"""What only some C exports have besides an encoder, a file for each."""
