"""What can be done, whoever asks and in whatever form: each service demands the permission itself."""
