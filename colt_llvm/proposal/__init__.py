"""Who proposes: joins the search and what answers its requests."""
