"""The 80 pitfalls of BFT systems, each with a test that carries its number (`make pitfalls`)."""
