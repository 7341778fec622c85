"""An OpenAI-compatible provider for development and tests: files, fine-tuning, models, chat."""
