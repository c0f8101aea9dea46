"""Many trainings, to compare: studies, and cross-validation."""
