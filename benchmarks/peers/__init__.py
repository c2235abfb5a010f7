"""The peers that `benchmarks.training` measures beside intentflow."""
