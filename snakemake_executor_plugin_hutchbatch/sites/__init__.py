"""Sites: named sets of defaults, as data; and which one an account is."""
