"""Models coming and going: exports, spandrel, cards, and the Hugging Face hub."""
