"""Commands of the operator beside a server that runs or not: reconcile, rebuild, export."""
