"""Leave out the generated queries that do harm: those that break a rule, and those least like their passage."""
