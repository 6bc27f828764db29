# Small public data sets that ship with R, as CSV, so that R and Python read the same file.
source("tests/r/common.R")
write_data(as.data.frame(lapply(ordinal::wine[, c("rating", "temp", "contact", "bottle", "judge")],
                                as.character)), "wine")
write_data(MASS::housing, "housing")
write_data(infert, "infert")
write_data(as.data.frame(lapply(esoph, as.character)), "esoph")
write_data(as.data.frame(lapply(ordinal::soup[, c("SURENESS", "PRODID", "DAY", "SOUPFREQ")],
                                as.character)), "soup")
utils::data("lalonde", package = "MatchIt", envir = environment())
write_data(lalonde, "lalonde")
