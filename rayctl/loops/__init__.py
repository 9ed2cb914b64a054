"""Making it happen: from a changed key to a decision to its execution, one cluster at a time and all side by side."""
