"""Everything that is HTTP and not GraphQL."""
