"""tasks -> SavedModels that answer raw strings."""
