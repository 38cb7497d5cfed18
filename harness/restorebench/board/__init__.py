"""What records say: means, marks, comparisons, and the documents and tables made of them."""
