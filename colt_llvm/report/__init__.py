"""One run as one HTML file that opens offline: verdict, tree, figures, recipe, and what it was made on."""
