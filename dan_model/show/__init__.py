"""Pictures of explanations: results in, pixels and matplotlib figures out."""
