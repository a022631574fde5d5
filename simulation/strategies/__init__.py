"""What Byzantine members do, by kind of attack; `catalogue` has all of them by role."""
