"""The benchmarks: ratios between this server and peers, both measured in the same run."""
