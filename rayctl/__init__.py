"""An operator for autoscaling Ray clusters on Kubernetes, and the kubectl plugin that goes with it."""
