"""Import and export of models: exports, spandrel, cards, and the Hugging Face hub."""
