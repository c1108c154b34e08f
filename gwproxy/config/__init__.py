"""What a user writes: the file's types, its loading, and its checks."""
