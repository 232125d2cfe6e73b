"""The data: blocks of rows in memory or made again, sums over them, and passes over them."""
