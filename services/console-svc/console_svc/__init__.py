"""The owner's web pages: sign-in, and what the services' public HTTP shows and does."""
