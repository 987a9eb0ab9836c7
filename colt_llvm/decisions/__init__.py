"""What can be decided about one program: scopes, kinds, and what each promises before anything was tried."""
