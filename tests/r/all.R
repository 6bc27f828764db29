# Every fixture that needs no file from outside, in order.
for (script in c("data", "ordinal", "binary", "conditional", "linear", "proportional", "covariance",
                 "matching", "survey", "population")) {
  source(file.path("tests/r", paste0(script, ".R")), local = new.env())
}
