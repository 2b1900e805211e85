"""The paper's tables: recipes, runs, results."""
