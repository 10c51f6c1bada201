"""What a schema says, read once: its policies as conditions."""
