# SAS files with extended missing values, by haven: 3 .A, 8 .B and one plain missing of 40.
# They hold the time at which they were written: run it by itself, where a file is to change.
library(haven)

q <- rep(c(1, 2), 20)
q[1:3] <- tagged_na("A")
q[4:11] <- tagged_na("B")
q[12] <- NA
people <- data.frame(member = rep(0:1, each = 20), q = q, place = rep(c("Ica", "Piura"), 20))
attr(people$q, "label") <- "Sells through it"
write_sas(people, "tests/survey/formats/extended.sas7bdat")
write_xpt(people, "tests/survey/formats/extended.xpt", version = 5, name = "PEOPLE")
