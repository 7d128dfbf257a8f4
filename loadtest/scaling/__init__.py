"""What a crowd needs: measured constants, and the arithmetic from them to workers and hosts."""
