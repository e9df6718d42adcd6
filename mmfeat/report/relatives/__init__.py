"""Related rows on the page: near-copies as pictures, and how estimates depend on neighbours."""
