"""Which carts will be bought without a message, whom a message would win, and why."""
