"""Fine-tuning runs at the owner's provider, and the models they make."""
