"""How the operator tells what it does: log lines, metrics. Knows nothing of Kubernetes."""
