word <- "beside the wrapper"
