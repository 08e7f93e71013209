MORE = "in a package"
