"""What the product's figures rest on: databases of a size, and measurements that print them."""
