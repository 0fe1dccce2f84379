"""What is kept from one build for the next."""
