"""Making it happen: from a changed key to a decision to its execution, all clusters side by side."""
