"""What a training run came to -> one page for people, that needs nothing else."""
