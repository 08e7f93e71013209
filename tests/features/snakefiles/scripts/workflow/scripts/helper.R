helper <- function() "beside"
