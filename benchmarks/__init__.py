"""Side-by-side measurements of this project and its peers: see README.md here."""
