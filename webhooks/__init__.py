"""What brokers send us: trusted, kept, and then understood."""
