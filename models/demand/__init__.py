"""How many units of each SKU will be demanded on each of the next days, and how sure is that."""
