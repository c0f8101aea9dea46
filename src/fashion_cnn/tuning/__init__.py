"""Many runs: studies, which compare what is named, and searches, which look for the best."""
